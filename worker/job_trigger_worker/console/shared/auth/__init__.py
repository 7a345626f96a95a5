"""Who is asking: local users, one-time links, a reverse proxy, services with a token.

OpenID Connect would be one more module here that ends, as the others do, in `Sessions.begin`.
"""
