"""What the examples of a mapping use, drafts of those that are missing, and how both are printed."""
