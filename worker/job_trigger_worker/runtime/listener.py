"""`/metrics`, `/livez` and `/readyz` of a process, on a listener and in a thread of their own."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Mapping
from http import HTTPStatus
from threading import Thread
from typing import Any

import orjson
import uvicorn
from prometheus_client import CollectorRegistry, make_asgi_app

from job_trigger_worker.errors import FatalError
from job_trigger_worker.logs import logger

log = logger(__name__)

Probe = Callable[[], str | None]
"""Why it is not so, None when it is."""

_CLOSE_S = 5.0


class Listener:
    """Serves until `close`. `address` is where, also when port 0 was asked for.

    `/livez` answers 503 when the process should be started again, `/readyz` when it cannot do its
    work now; both say why. `pages` are more paths, each with what makes its JSON, in a thread of
    its own; like `/readyz` they answer 503 while the process is not ready. Raises `FatalError`,
    which names `setting`, when the address is taken.
    """

    def __init__(
        self,
        listen: str,
        registry: CollectorRegistry,
        *,
        setting: str,
        is_live: Probe,
        is_ready: Probe,
        pages: Mapping[str, Callable[[], Any]] | None = None,
    ) -> None:
        self._metrics = make_asgi_app(registry)
        self._probes = {"/livez": is_live, "/readyz": is_ready}
        self._pages = pages or {}
        host, _, port = listen.rpartition(":")
        try:
            self._socket = socket.create_server(
                (host.strip("[]"), int(port)),
                family=socket.AF_INET6 if ":" in host else socket.AF_INET,
            )
        except (OSError, ValueError, OverflowError) as error:
            raise FatalError(
                f"The listener {listen} cannot be opened: {error}.",
                remedy=f"Set {setting} to a free host:port.",
            ) from error
        self.address = f"{host}:{self._socket.getsockname()[1]}"
        self._server = uvicorn.Server(
            uvicorn.Config(
                self._answer,
                log_config=None,
                log_level="warning",
                access_log=False,
                interface="asgi3",
                lifespan="off",
                ws="none",
                timeout_graceful_shutdown=1,
            )
        )
        self._thread = Thread(target=self._serve, name="listener", daemon=True)
        self._thread.start()
        log.info("listening", address=self.address)

    def close(self) -> None:
        """Stop serving."""
        self._server.should_exit = True
        self._thread.join(_CLOSE_S)
        self._socket.close()

    def _serve(self) -> None:
        self._server.run(sockets=[self._socket])

    async def _answer(self, scope: dict[str, Any], receive: Any, send: Any) -> None:
        path = scope["path"]
        if path == "/metrics":
            await self._metrics(scope, receive, send)
            return
        status, content = await self._page(path)
        body = orjson.dumps(content, option=orjson.OPT_APPEND_NEWLINE)
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _page(self, path: str) -> tuple[HTTPStatus, Any]:
        if path not in self._probes and path not in self._pages:
            return HTTPStatus.NOT_FOUND, {"status": "no such page"}
        reason = self._probes.get(path, self._probes["/readyz"])()
        if reason is not None:
            return HTTPStatus.SERVICE_UNAVAILABLE, {"status": reason}
        make = self._pages.get(path)
        return HTTPStatus.OK, {"status": "ok"} if make is None else await asyncio.to_thread(make)
