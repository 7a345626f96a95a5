"""The one read service: what API, pages and command line say about jobs, records and failures.

Every function takes a connection and the viewer's `Scope`, which is part of its SQL: what one may
not see is absent from rows, counts, causes and details alike. No inventory is read. Each function
runs a constant number of statements, and every list goes by keyset: `after` is a page's `next`.

`jobs`, `executions`, `failures` and `find` are for callers; `combined` holds the one definition of
the combined status, `scope` that of what a viewer may see, `paging` cursors and windows.
"""
