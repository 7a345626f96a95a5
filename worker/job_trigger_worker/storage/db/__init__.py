"""The database itself: sessions, pools, errors, types. Knows nothing of triggers."""
