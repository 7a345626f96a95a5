"""Edit a job: name, schedule, time zone, targets (R6)."""
