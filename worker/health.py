"""`/metrics`, `/livez` and `/readyz` on a listener of their own."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Callable, Iterable
from http import HTTPStatus
from threading import Thread
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app

from worker.errors import Stop

log = logging.getLogger(__name__)

Probe = Callable[[], str | None]
"""Why it is not so, None when it is."""


class HealthServer:
    """Serves until `close`. `address` is where, also when port 0 was asked for.

    `/livez` answers 503 when the process should be started again, `/readyz` when it cannot do its
    work now; both say why. Raises `Stop` when the listener is taken.
    """

    def __init__(
        self, listen: str, registry: CollectorRegistry, *, is_live: Probe, is_ready: Probe
    ) -> None:
        host, _, port = listen.rpartition(":")
        metrics = make_wsgi_app(registry)
        probes = {"/livez": is_live, "/readyz": is_ready}

        def app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
            path = environ.get("PATH_INFO", "")
            if path == "/metrics":
                return metrics(environ, start_response)  # type: ignore[no-any-return]
            if path not in probes:
                return _answer(start_response, HTTPStatus.NOT_FOUND, "no such page")
            reason = probes[path]()
            status = HTTPStatus.OK if reason is None else HTTPStatus.SERVICE_UNAVAILABLE
            return _answer(start_response, status, reason or "ok")

        try:
            self._server = make_server(
                host.strip("[]"),
                int(port),
                app,
                _OnIPv6 if host.startswith("[") else WSGIServer,
                handler_class=_Quiet,
            )
        except (OSError, ValueError, OverflowError) as error:
            raise Stop(
                f"The listener {listen} cannot be opened: {error}.",
                remedy="Set TRIGGER_WORKER_LISTEN to a free host:port.",
            ) from error
        self.address = f"{host}:{self._server.server_port}"
        Thread(target=self._server.serve_forever, name="health", daemon=True).start()
        log.info("action=listening address=%s", self.address)

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()


class _OnIPv6(WSGIServer):
    address_family = socket.AF_INET6


class _Quiet(WSGIRequestHandler):
    timeout = 5

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base's name
        log.debug("action=request " + format, *args)  # noqa: G003


def _answer(start_response: Any, status: HTTPStatus, words: str) -> Iterable[bytes]:
    start_response(f"{status.value} {status.phrase}", [("Content-Type", "application/json")])
    return [json.dumps({"status": words}).encode() + b"\n"]
