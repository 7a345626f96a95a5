"""PostgreSQL and a broker without installation, and a platform to look at: the extra `embedded`."""
