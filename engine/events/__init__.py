"""Where events come from: Segment's calls as JSON, files and pipes of them, and clients that make them."""
