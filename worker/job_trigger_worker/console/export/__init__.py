"""Everything that a filter matches, as CSV or NDJSON."""
