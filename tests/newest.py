"""The newest Python that is supported: `python -m tests.newest [--coverage]`.

Makes `.venv-newest` from the same locks, unless it is there, and runs in it what the oldest Python
runs in `.venv`: types, and the tests that need no service. With --coverage it runs the tests of
pipeline, storage and preflight instead, and reports the lines that none of them reaches; below the
floor of pyproject.toml that is a failure. Exits 1 when something fails, 3 when this machine has no
such Python.
"""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def newest(pyproject: str) -> str:
    """The newest Python that the classifiers of a pyproject file name, such as 3.13."""
    named = re.findall(r"Programming Language :: Python :: 3\.(\d+)", pyproject)
    return f"3.{max(map(int, named))}"


NEWEST = newest((ROOT / "pyproject.toml").read_text())
PACKAGES = ("pipeline", "storage", "preflight")
ENVIRONMENT = ".venv-newest"
MISSING = 3

CHECKS = (
    ("mypy", "--python-version", NEWEST, "--cache-dir", f"{ENVIRONMENT}/.mypy"),
    ("python", "-m", "pytest", "-q", "-n", "2", "tests/unit"),
)
COVERED = ("tests/unit", *(f"tests/integration/{name}" for name in PACKAGES))
COVERAGE = (
    ("coverage", "run", "-m", "pytest", "-q", *COVERED),
    ("coverage", "report"),
)


def interpreter() -> str | None:
    """A Python of that version: TEST_NEWEST_PYTHON, else on the PATH, else of pyenv or uv."""
    name = f"python{NEWEST}"
    given = os.environ.get("TEST_NEWEST_PYTHON")
    home = Path.home()
    pyenv = Path(os.environ.get("PYENV_ROOT", home / ".pyenv")) / "versions"
    installed = [
        *sorted(pyenv.glob(f"{NEWEST}*/bin/{name}")),
        *sorted((home / ".local/share/uv/python").glob(f"cpython-{NEWEST}*/bin/{name}")),
    ]
    candidates = [given, shutil.which(name), *map(str, installed)]
    return next((each for each in candidates if each and _is_newest(each)), None)


def main(arguments: Sequence[str]) -> int:
    """Make the environment, and run in it; the exit status."""
    python = interpreter()
    if python is None:
        sys.stderr.write(f"There is no Python {NEWEST} here (set TEST_NEWEST_PYTHON).\n")
        return MISSING
    stamp = f"{ENVIRONMENT}/.dev"
    made = subprocess.run(
        ["make", "-s", f"VENV={ENVIRONMENT}", f"PYTHON={python}", stamp], cwd=ROOT, check=False
    )
    if made.returncode:
        return 1
    programs = ROOT / ENVIRONMENT / "bin"
    commands = COVERAGE if list(arguments) == ["--coverage"] else CHECKS
    statuses = [
        subprocess.run([f"{programs}/{name}", *rest], cwd=ROOT, check=False).returncode
        for name, *rest in commands
    ]
    return 1 if any(statuses) else 0


def _is_newest(python: str) -> bool:
    """True for a program that runs, and is of that version: a shim of pyenv may do neither."""
    show = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        shown = subprocess.run(
            [python, "-c", show], capture_output=True, text=True, timeout=20, check=False
        )
    except OSError:
        return False
    return shown.returncode == 0 and shown.stdout.strip() == NEWEST


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
