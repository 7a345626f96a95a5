"""Failures: what they share, one by one, and as they happen (`live`)."""
