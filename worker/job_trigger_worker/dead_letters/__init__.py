"""Dead letters and the way back for them: choose, edit, send again (promise 5)."""
