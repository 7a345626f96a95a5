"""The command line as a person or a script calls it: a process, its exit status and its words."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from tests.support import forking

_PROGRAM = "from job_trigger_worker.cli import main; main()"

TRIGGER_WORKER = str(Path(sys.executable).parent / "trigger-worker")


@dataclass(frozen=True, slots=True)
class Ended:
    """How a command ended."""

    status: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """The one object that `--json` promises: all of stdout, in one line."""
        assert self.stdout.count("\n") == 1, f"more than one line:\n{self.stdout}"
        return json.loads(self.stdout)


def trigger_worker(
    *arguments: str,
    env: Mapping[str, str] | None = None,
    stdin: str | bytes = "",
    timeout_s: float = 60.0,
    is_fresh: bool = False,
) -> Ended:
    """Run `trigger-worker ARGUMENTS` to its end; `env` is added to the environment.

    In a process that is forked (`forking`), unless `env` is about the interpreter itself, or it
    `is_fresh`: then as a person starts it.
    """
    variables = os.environ | (env or {})
    content = stdin.encode() if isinstance(stdin, str) else stdin
    if is_fresh or any(_is_of_the_interpreter(name) for name in env or {}):
        done = subprocess.run(
            [TRIGGER_WORKER, *arguments],
            input=content,
            capture_output=True,
            env=variables,
            timeout=timeout_s,
            check=False,
        )
        return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())
    with TemporaryFile() as given, TemporaryFile() as out, TemporaryFile() as err:
        given.write(content)
        given.seek(0)
        process = forking.server().fork(
            _PROGRAM,
            arguments,
            env=variables,
            stdin=given.fileno(),
            stdout=out.fileno(),
            stderr=err.fileno(),
        )
        status = process.wait(timeout_s)
        if status is None:
            process.kill()
        for each in (out, err):
            each.seek(0)
        words = out.read(), err.read()
    if status is None:
        raise subprocess.TimeoutExpired(["trigger-worker", *arguments], timeout_s, *words)
    return Ended(status, words[0].decode(), words[1].decode())


def _is_of_the_interpreter(name: str) -> bool:
    return name == "LANG" or name.startswith(("PYTHON", "LC_"))
