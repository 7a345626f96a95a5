"""The process that serves: from a socket until told to stop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable, Iterator

import uvicorn
from fastapi import FastAPI

from job_trigger_worker.config import Settings
from job_trigger_worker.console.shared.proxies import Proxies, is_loopback
from job_trigger_worker.errors import FatalError, UsageError
from job_trigger_worker.logs import logger

log = logger(__name__)

_GRACE_S = 3


class _Server(uvicorn.Server):
    """Leaves the process's signals to the process: uvicorn's own would end it by SIGTERM.

    When it ends, `on_end` runs first, in the event loop.
    """

    def __init__(self, config: uvicorn.Config, on_end: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_end = on_end

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._on_end()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class ConsoleServer:
    """Serves an application; the listener is open when this is made. `address` is its URL.

    `stop` may be called from a signal handler, also before `run`: `on_end` ends what would not end
    by itself, such as streams, and requests under way are given 3 s. Raises `FatalError` when the
    listener is taken, `UsageError` for one where passwords could be read along: beyond loopback it
    takes TLS, or a named proxy.
    """

    def __init__(self, app: FastAPI, settings: Settings, on_end: Callable[[], None]) -> None:
        listen, has_tls = settings.console_listen, settings.console_cert_file is not None
        host, _, port = listen.rpartition(":")
        host = host.strip("[]")
        is_private = is_loopback(host) or host == "localhost"
        if not (is_private or has_tls or Proxies(settings.trusted_proxies)):
            raise UsageError(
                f"On {listen} passwords could be read on the network.",
                remedy="Set TRIGGER_WORKER_CONSOLE_CERT_FILE and _KEY_FILE, or name the reverse "
                "proxy that ends TLS in TRIGGER_WORKER_TRUSTED_PROXIES.",
            )
        config = uvicorn.Config(
            app,
            log_config=None,
            log_level="warning",
            access_log=False,
            lifespan="off",
            ws="none",
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=_GRACE_S,
            ssl_certfile=settings.console_cert_file,
            ssl_keyfile=settings.console_key_file,
        )
        try:
            config.load()
        except OSError as error:
            raise UsageError(
                f"The console's certificate or key cannot be used: {error}.",
                remedy="Correct TRIGGER_WORKER_CONSOLE_CERT_FILE and _KEY_FILE.",
            ) from None
        try:
            self._socket = socket.create_server(
                (host, int(port)), family=socket.AF_INET6 if ":" in host else socket.AF_INET
            )
        except (OSError, ValueError, OverflowError) as error:
            raise FatalError(
                f"The listener {listen} cannot be opened: {error}.",
                remedy="Set TRIGGER_WORKER_CONSOLE_LISTEN to a free host:port.",
            ) from error
        # Accepted sockets inherit it. asyncio would set it only for one made with a protocol named;
        # without it each answer on a kept connection waits 40 ms for an acknowledgement.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        shown = f"[{host}]" if ":" in host else host
        port_open = self._socket.getsockname()[1]
        self.address = f"{'https' if has_tls else 'http'}://{shown}:{port_open}"
        self._server = _Server(config, on_end)

    def run(self) -> None:
        """Serve until `stop`."""
        log.info("listening", address=self.address.partition("://")[2])
        try:
            asyncio.run(self._server.serve(sockets=[self._socket]))
        finally:
            self._socket.close()

    def stop(self) -> None:
        """Have it end in order."""
        self._server.should_exit = True
