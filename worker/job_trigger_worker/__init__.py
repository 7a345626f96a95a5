"""Job trigger worker: every due job leaves a record, and every record its event."""
