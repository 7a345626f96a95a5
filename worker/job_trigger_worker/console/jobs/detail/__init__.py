"""One job: what it was saved with, what is there now (R5)."""
