"""Alembic revisions of the tables and views (DESIGN section 5); README.md says what each does."""
