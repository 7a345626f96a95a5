"""Everything that talks to brokers."""
