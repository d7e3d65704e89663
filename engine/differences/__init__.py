"""What a change of a mapping does to traffic: two versions planned over the same events, and what differs."""
