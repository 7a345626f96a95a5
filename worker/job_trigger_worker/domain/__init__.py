"""Frozen dataclasses and pure functions: what a trigger is and what may become of it. No I/O."""
