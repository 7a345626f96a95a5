"""The tables: their revisions, and whether a database has them."""
