"""Words, counts and layout for people: what the commands print."""
