"""Processes: each is put together here from the parts that the other packages hold."""
