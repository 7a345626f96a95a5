"""Do a job's servers, accounts, credentials and permissions still hold? (R1, R10).

`facts` reads, once for a batch; `checks` judges, purely; `runner` puts both together. The same
preflight serves the worker, the API and the command line, and it changes nothing.
"""
