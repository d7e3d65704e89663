"""What the commands print for people: text, summaries, layout."""
