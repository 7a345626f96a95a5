"""Run a job now, switch it on and off, triggers over HTTP (R9)."""
