"""Signing in and out, and how a person wants to read."""
