"""What the words of a mapping mean: paths, functions, objects, texts, times. Pure; reads nothing."""
