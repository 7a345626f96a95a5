"""The way of a trigger, in its order; README.md tells the trip."""
