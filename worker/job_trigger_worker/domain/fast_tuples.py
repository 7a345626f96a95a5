"""Named tuples that are made thousands of times a second."""

from __future__ import annotations

new = tuple.__new__
"""`new(Origin, (3, 17))`: a named tuple of all its fields, in their order.

Its class, called with the fields, takes two to three times as long. How many fields there are is
not looked at.
"""
