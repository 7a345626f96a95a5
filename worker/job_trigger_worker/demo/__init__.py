"""A platform to look at: jobs, inventory, scheduler, stand-ins, live view, report."""
