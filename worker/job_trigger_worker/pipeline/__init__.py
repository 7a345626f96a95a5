"""The way of a trigger, in its order; README.md describes the trip."""
