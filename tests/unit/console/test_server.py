"""The listener."""

import socket

from fastapi import FastAPI

from job_trigger_worker.config import Settings
from job_trigger_worker.console.shell.server import ConsoleServer


def test_an_answer_does_not_wait_for_an_acknowledgement() -> None:
    server = ConsoleServer(FastAPI(), Settings(console_listen="127.0.0.1:0"), lambda: None)
    host, port = server.address.removeprefix("http://").split(":")
    with server._socket, socket.create_connection((host, int(port)), timeout=5):
        accepted, _ = server._socket.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) == 1
