"""All SQL. Statements are compiled once; columns of rows travel as array literals (`arrays`)."""
