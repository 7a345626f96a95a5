"""`/metrics`, `/livez`, `/readyz` and `/windows`, in the event loop of the streams."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
from collections.abc import Callable, Iterator
from http import HTTPStatus
from typing import Any

import orjson
import uvicorn
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from worker.errors import Stop

log = logging.getLogger(__name__)

Probe = Callable[[], str | None]
"""Why it is not so, None when it is."""

_JSON = "application/json"


class _Server(uvicorn.Server):
    """Leaves the process's signals to the process."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class WindowServer:
    """Serves from `start` to `close`. `address` is where, also when port 0 was asked for.

    Raises `Stop` when the listener is taken.
    """

    def __init__(
        self,
        listen: str,
        registry: CollectorRegistry,
        *,
        is_ready: Probe,
        windows: Callable[[], dict[str, Any]],
    ) -> None:
        self._registry = registry
        self._is_ready = is_ready
        self._windows = windows
        host, _, port = listen.rpartition(":")
        try:
            self._socket = socket.create_server(
                (host.strip("[]"), int(port)),
                family=socket.AF_INET6 if ":" in host else socket.AF_INET,
            )
        except (OSError, ValueError, OverflowError) as error:
            raise Stop(
                f"The listener {listen} cannot be opened: {error}.",
                remedy="Set TRIGGER_WORKER_STREAMS_LISTEN to a free host:port.",
            ) from error
        self.address = f"{host}:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(
            self._answer,
            log_config=None,
            log_level="warning",
            access_log=False,
            interface="asgi3",
            lifespan="off",
            ws="none",
            timeout_graceful_shutdown=1,
        )
        self._server = _Server(config)
        self._serving: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to serve."""
        self._serving = asyncio.ensure_future(self._server.serve(sockets=[self._socket]))
        log.info("action=listening address=%s", self.address)

    async def close(self) -> None:
        """Stop serving."""
        self._server.should_exit = True
        if self._serving is not None:
            await self._serving
        self._socket.close()

    async def _answer(self, scope: dict[str, Any], _receive: Any, send: Any) -> None:
        status, kind, body = self._page(scope["path"])
        headers = [(b"content-type", kind.encode()), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _page(self, path: str) -> tuple[int, str, bytes]:
        if path == "/metrics":
            return HTTPStatus.OK, CONTENT_TYPE_LATEST, generate_latest(self._registry)
        if path == "/livez":
            return HTTPStatus.OK, _JSON, _words("ok")
        if path not in ("/readyz", "/windows"):
            return HTTPStatus.NOT_FOUND, _JSON, _words("no such page")
        reason = self._is_ready()
        if reason is not None:
            return HTTPStatus.SERVICE_UNAVAILABLE, _JSON, _words(reason)
        if path == "/readyz":
            return HTTPStatus.OK, _JSON, _words("ok")
        return HTTPStatus.OK, _JSON, orjson.dumps(self._windows(), option=orjson.OPT_APPEND_NEWLINE)


def _words(words: str) -> bytes:
    return orjson.dumps({"status": words}) + b"\n"
