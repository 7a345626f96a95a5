"""One module a command; `cli` loads the one that is called."""
