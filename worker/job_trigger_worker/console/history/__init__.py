"""Execution records: the history, and one record whole (R7, R8)."""
