"""What people change: run a job, switch it, edit it. Pages and API call the same functions.

Each checks who may see the job, and notes the change (`storage/changes.py`) in the transaction that
makes it. What stands against a change is a refusal (`refusals.py`); what is expected, such as an
edit that was overtaken, is a value.
"""
