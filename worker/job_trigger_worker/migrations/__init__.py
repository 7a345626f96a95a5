"""Alembic revisions of the tables and views (design 5); README.md says what each does."""
