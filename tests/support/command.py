"""The command line as a person or a script calls it: a process, its exit status and its words."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
) -> Ended:
    """Run `trigger-worker ARGUMENTS` to its end; `env` is added to the environment."""
    done = subprocess.run(
        [TRIGGER_WORKER, *arguments],
        input=stdin.encode() if isinstance(stdin, str) else stdin,
        capture_output=True,
        env=os.environ | (env or {}),
        timeout=timeout_s,
        check=False,
    )
    return Ended(done.returncode, done.stdout.decode(), done.stderr.decode())
