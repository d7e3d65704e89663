"""The emitters: one function for each word of the language, found by its name, writes the statements for it."""
