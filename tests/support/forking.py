"""Processes of ours that start at once: forked from one that has imported everything.

A fresh interpreter spends a second of CPU on imports, and the tests start more than a thousand
processes. What is forked is a process like any other: its own session, signals, environment,
streams and exit. Only tests use it, and not where the start itself is looked at.
"""

import atexit
import contextlib
import importlib
import json
import os
import pkgutil
import select
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

_SLOW = {"job_trigger_worker.commands.streams"}
"""Faust changes the process that imports it."""
_STATUS_BYTES = 8
_MOST_REQUEST = 1 << 20
_SERVER = f"from {__name__} import serve; serve()"


class Forked:
    """One process. The methods are those of `job_trigger_worker.embedded.child.Child`."""

    def __init__(self, pid: int, status: int) -> None:
        self.pid = pid
        self._status_pipe: int | None = status
        self._status: int | None = None

    def exit_status(self) -> int | None:
        """None while it runs; otherwise its status, negative for a signal."""
        return self.wait(0)

    def send(self, sent: signal.Signals) -> None:
        """Send a signal; nothing happens when it has ended already."""
        if self.exit_status() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, sent)

    def wait(self, timeout_s: float) -> int | None:
        """Its exit status, or None when it still runs after `timeout_s`."""
        if self._status_pipe is not None and _is_readable(self._status_pipe, timeout_s):
            written = os.read(self._status_pipe, _STATUS_BYTES)
            os.close(self._status_pipe)
            self._status_pipe = None
            # Without a word it was the server that ended, and all that it had forked with it.
            self._status = int(written) if written else -int(signal.SIGKILL)
        return self._status

    def stop(self, timeout_s: float) -> int:
        """SIGTERM, then SIGKILL after `timeout_s`; returns its exit status."""
        self.send(signal.SIGTERM)
        status = self.wait(timeout_s)
        return self.kill() if status is None else status

    def kill(self) -> int:
        """SIGKILL, which also ends a stopped (SIGSTOP) process; returns its exit status."""
        self.send(signal.SIGKILL)
        status = self.wait(_PATIENCE_S)
        assert status is not None, f"process {self.pid} does not end"
        return status


_PATIENCE_S = 30.0


class ForkServer:
    """A process that has imported every command, and forks one that runs a program.

    It ends with the process that made it, and whatever it has forked ends then, too.
    """

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        environment = {name: value for name, value in os.environ.items() if not _is_setting(name)}
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-X", "faulthandler", "-c", _SERVER, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env=environment,
                start_new_session=True,
            )
        self._socket = ours
        self._turn = threading.Lock()

    def fork(
        self,
        program: str,
        arguments: Sequence[str],
        *,
        env: Mapping[str, str],
        stdin: int,
        stdout: int,
        stderr: int,
    ) -> Forked:
        """Run a program as `python -c PROGRAM ARGUMENTS` would; descriptors stay the caller's."""
        reads, writes = os.pipe()
        try:
            request = {
                "program": program,
                "arguments": list(arguments),
                "env": dict(env),
                "folder": str(Path.cwd()),
            }
            body = json.dumps(request).encode()
            with self._turn:
                fds = [stdin, stdout, stderr, writes]
                socket.send_fds(self._socket, [len(body).to_bytes(4)], fds)
                self._socket.sendall(body)
                pid = int.from_bytes(_read_whole(self._socket, 4))
        except BaseException:
            os.close(reads)
            raise
        finally:
            os.close(writes)
        return Forked(pid, reads)

    def end(self) -> None:
        """End it and what it has forked."""
        self._socket.close()
        self._process.wait(_PATIENCE_S)


_made: list[ForkServer] = []
_making = threading.Lock()


def server() -> ForkServer:
    """The one of this process, which ends with it."""
    with _making:
        if not _made:
            _made.append(ForkServer())
            atexit.register(_made[0].end)
        return _made[0]


def serve() -> NoReturn:
    """The server's program: import everything, then fork whatever is asked for."""
    for name in _modules():
        importlib.import_module(name)
    place = socket.socket(fileno=int(sys.argv[1]))
    children: dict[int, int] = {}
    woken, waking = os.pipe()
    os.set_blocking(waking, False)
    signal.set_wakeup_fd(waking, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    while True:
        ready, _, _ = select.select([place.fileno(), woken], [], [])
        if woken in ready:
            os.read(woken, 4096)
        _reap(children)
        if place.fileno() not in ready:
            continue
        size, fds, _, _ = socket.recv_fds(place, 4, 4)
        if not size:
            break
        request = json.loads(_read_whole(place, int.from_bytes(size)))
        pid = os.fork()
        if pid == 0:
            place.close()
            for each in (woken, waking, *children.values()):
                os.close(each)
            signal.set_wakeup_fd(-1)
            _become(request, fds)
        children[pid] = fds[3]
        for each in fds[:3]:
            os.close(each)
        place.sendall(pid.to_bytes(4))
    for pid in children:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    raise SystemExit


def _become(request: dict[str, Any], fds: Sequence[int]) -> NoReturn:
    """In the child: everything as a fresh process has it, then the program."""
    os.setsid()
    for target, each in enumerate(fds[:3]):
        os.dup2(each, target)
    for each in fds:
        os.close(each)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["env"])
    sys.argv[1:] = request["arguments"]
    sys.argv[0] = "trigger-worker"
    exec(compile(request["program"], "<forked>", "exec"), {"__name__": "__main__"})  # noqa: S102
    raise SystemExit


def _reap(children: dict[int, int]) -> None:
    for pid in list(children):
        ended = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if ended is None:
            continue
        is_signal = ended.si_code in (os.CLD_KILLED, os.CLD_DUMPED)
        status = -ended.si_status if is_signal else ended.si_status
        pipe = children.pop(pid)
        with contextlib.suppress(BrokenPipeError):
            os.write(pipe, str(status).encode())
        os.close(pipe)
        os.waitpid(pid, 0)  # only now is its number free for another process


def _modules() -> list[str]:
    import job_trigger_worker  # noqa: PLC0415 - only the server imports everything

    ours: Callable[..., Any] = pkgutil.walk_packages
    names = [each.name for each in ours(job_trigger_worker.__path__, "job_trigger_worker.")]
    return [
        name
        for name in names
        if name not in _SLOW
        and ".streams" not in name
        and ".migrations.versions" not in name
        and not name.endswith(".migrations.env")
    ]


def _is_setting(name: str) -> bool:
    return name.startswith("TRIGGER_WORKER_")


def _is_readable(pipe: int, timeout_s: float) -> bool:
    return bool(select.select([pipe], [], [], timeout_s)[0])


def _read_whole(place: socket.socket, size: int) -> bytes:
    read = b""
    while len(read) < size:
        more = place.recv(min(size - len(read), _MOST_REQUEST))
        if not more:
            raise ConnectionError("the fork server has ended")
        read += more
    return read
