"""One module a command; `worker.cli` loads the one that is called."""
