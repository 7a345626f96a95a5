"""`make bench`: how fast the worker is, beside loops that do the same with less."""
