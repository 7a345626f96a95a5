"""The JSON API under `/api/v1`: the same read service and the same checks as the pages have.

One module each of what it is named after, with its routes; `models.py` says what travels,
`routers.py` lists them. `openapi.json` is made from them (`python -m worker.web.api.openapi`).
"""
