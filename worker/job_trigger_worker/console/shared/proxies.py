"""Where a request comes from: the peer, or what a named reverse proxy says about it."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

from job_trigger_worker.errors import UsageError


class Proxies:
    """The addresses whose headers are believed; none by default."""

    def __init__(self, listed: str) -> None:
        try:
            self._networks = [
                ip_network(entry.strip(), strict=False)
                for entry in listed.split(",")
                if entry.strip()
            ]
        except ValueError as error:
            raise UsageError(
                f"TRIGGER_WORKER_TRUSTED_PROXIES cannot be used: {error}.",
                remedy="List addresses or networks: 10.0.0.7, 10.1.0.0/16.",
            ) from None

    def __bool__(self) -> bool:
        return bool(self._networks)

    def holds(self, address: str | None) -> bool:
        """True when a peer is one of them."""
        try:
            found = ip_address(address or "")
        except ValueError:
            return False
        mapped = getattr(found, "ipv4_mapped", None) or found
        return any(mapped in network for network in self._networks)


class FromProxies:
    """Puts the user's address and scheme into the scope, as a believed proxy tells them.

    Says in `scope["state"]["is_from_proxy"]` whether the peer itself is one. Of a chain of
    addresses the last one that is no proxy of ours counts: what stands before it anybody can write.
    """

    def __init__(self, app: ASGIApp, proxies: Proxies) -> None:
        self._app = app
        self._proxies = proxies

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on."""
        if scope["type"] == "http":
            peer = scope["client"][0] if scope.get("client") else None
            is_from_proxy = self._proxies.holds(peer)
            scope.setdefault("state", {})["is_from_proxy"] = is_from_proxy
            if is_from_proxy:
                self._believe(scope, Headers(scope=scope))
        await self._app(scope, receive, send)

    def _believe(self, scope: Scope, headers: Headers) -> None:
        scheme = headers.get("x-forwarded-proto", "").rpartition(",")[2].strip().lower()
        if scheme in ("http", "https"):
            scope["scheme"] = scheme
        chain = ",".join(headers.getlist("x-forwarded-for")).split(",")
        for address in reversed([entry.strip() for entry in chain]):
            if not _is_address(address):
                break
            scope["client"] = (address, 0)
            if not self._proxies.holds(address):
                break


def is_loopback(address: str | None) -> bool:
    """True for this machine itself."""
    try:
        found = ip_address(address or "")
    except ValueError:
        return False
    return (getattr(found, "ipv4_mapped", None) or found).is_loopback


def _is_address(entry: str) -> bool:
    try:
        ip_address(entry)
    except ValueError:
        return False
    return True
