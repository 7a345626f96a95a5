"""The failure topic as windows for dashboards and the live view: a Faust app, a process of its own.

It shares nothing with the worker but the topic: its death never stops a trigger, and what it counts
is no truth (that is in the tables). A failure that is counted twice harms nobody.
"""
