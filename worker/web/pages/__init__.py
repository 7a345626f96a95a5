"""The pages, one module each: a router with the routes of what it is named after."""
