"""The same work behind other people's consumers: each a program of its own, as `plain.py` is."""
