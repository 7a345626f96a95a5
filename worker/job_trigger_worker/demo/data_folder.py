"""Where a run keeps its data: a folder that carries our marker, for one run at a time."""

from __future__ import annotations

import os
import shlex
import shutil
from pathlib import Path

from job_trigger_worker.embedded.lock_file import hold
from job_trigger_worker.errors import FatalError, UsageError

MARKER = "made-by-trigger-worker-run"
_LOCK = "run.lock"
_WORDS = (
    "`trigger-worker run` keeps a demo's data in this folder. "
    "`trigger-worker run --fresh` deletes everything in it.\n"
)


def default_folder() -> Path:
    """The user's data folder (XDG_DATA_HOME, else ~/.local/share), never the checkout."""
    given = os.environ.get("XDG_DATA_HOME", "")
    base = Path(given) if given.startswith("/") else Path.home() / ".local" / "share"
    return base / "trigger-worker"


class DataFolder:
    """The folder of one run, held against other runs until `release`.

    Raises `UsageError` for a folder that holds something else, `FatalError` when another run has
    it, or when it cannot be made.
    """

    def __init__(self, path: Path, *, is_fresh: bool = False) -> None:
        self.path = path.expanduser().absolute()
        _refuse_foreign(self.path)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            self._lock = hold(self.path / _LOCK, user="`trigger-worker run`")
            (self.path / MARKER).write_text(_WORDS)
            if is_fresh:
                self._empty()
            self._put_logs_by()
            self.env.unlink(missing_ok=True)  # a run that was killed left it
        except OSError as error:
            raise FatalError(
                f"The data folder {self.path} cannot be used: {error.strerror}.",
                remedy="Choose another one with --data.",
            ) from None

    @property
    def postgres(self) -> Path:
        """The embedded PostgreSQL's own folder."""
        return self.path / "postgres"

    @property
    def env(self) -> Path:
        """The settings of the run, for a shell; not there while no run has its parts up."""
        return self.path / "env"

    @property
    def env_command(self) -> str:
        """What a person types to have these settings in a shell."""
        shown = f"{self.shown()}/{self.env.name}"
        home = "~/" if shown.startswith("~/") else ""
        return f". {home}{shlex.quote(shown.removeprefix(home))}"

    def log(self, name: str) -> Path:
        """The log of a process of this run; that of the run before is `NAME.log.1`."""
        return self.path / f"{name}.log"

    def release(self) -> None:
        """Let another run have it."""
        self._lock.close()

    def shown(self) -> str:
        """The path as a person would write it."""
        home = str(Path.home())
        path = str(self.path)
        return f"~{path[len(home) :]}" if path.startswith(f"{home}/") else path

    def _empty(self) -> None:
        for entry in self.path.iterdir():
            if entry.name in (MARKER, _LOCK):
                continue
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            else:
                entry.unlink()

    def _put_logs_by(self) -> None:
        for log in self.path.glob("*.log"):
            log.replace(log.with_name(f"{log.name}.1"))


def _refuse_foreign(path: Path) -> None:
    if path.exists() and not path.is_dir():
        raise UsageError(f"{path} is not a folder.", remedy="Choose another one with --data.")
    if path.is_dir() and any(path.iterdir()) and not (path / MARKER).exists():
        raise UsageError(
            f"The folder {path} holds something that is not ours; nothing was changed in it.",
            remedy="Choose an empty or a new folder with --data.",
        )
