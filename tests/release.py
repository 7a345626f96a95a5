"""A release, built and checked and not uploaded: `python -m tests.release`, or `make release`.

The version has to stand in both pyproject files and as a section of CHANGELOG.md, the tree has to
be clean, and the static checks have to pass. Then wheel and sdist of both distributions are built
offline into `dist/`, and the worker's wheel is looked into. Exits 1 with a sentence otherwise.
"""

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NEEDED = (
    "job_trigger_worker/migrations/versions/0001_platform_baseline.py",
    "job_trigger_worker/console/templates/base.html",
    "job_trigger_worker/console/static/console.css",
    "job_trigger_worker/console/locale/zh/LC_MESSAGES/console.po",
    "job_trigger_worker/console/shell/openapi.json",
)
"""What the worker's wheel must hold beside its modules, a file of each kind."""

_BUILD_S = 300.0


class NotReady(Exception):
    """Why there can be no release."""


def version_of(pyproject: str, schemas: str, changelog: str) -> str:
    """The version, if these texts agree on it. Raises `NotReady`."""
    versions = {tomllib.loads(text)["project"]["version"] for text in (pyproject, schemas)}
    if len(versions) > 1:
        raise NotReady(f"pyproject.toml and schemas/pyproject.toml differ: {sorted(versions)}.")
    (version,) = versions
    if not re.search(
        rf"^## \[?{re.escape(version)}\]? - \d{{4}}-\d\d-\d\d$", changelog, re.MULTILINE
    ):
        raise NotReady(f"CHANGELOG.md has no section '## {version} - YYYY-MM-DD'.")
    return str(version)


def missing_of(wheel: Path) -> list[str]:
    """What the worker's wheel lacks of `NEEDED`."""
    with zipfile.ZipFile(wheel) as files:
        return sorted(set(NEEDED) - set(files.namelist()))


def main() -> int:
    """Check and build; the exit status."""
    try:
        version = _release(ROOT / "dist")
    except NotReady as reason:
        sys.stderr.write(f"No release: {reason}\n")
        return 1
    for built in sorted((ROOT / "dist").glob(f"*-{version}*")):
        sys.stdout.write(f"dist/{built.name}  {built.stat().st_size:,} bytes\n")
    sys.stdout.write(f"Version {version} is built. Nothing was uploaded or tagged.\n")
    return 0


def _release(into: Path) -> str:
    texts = ("pyproject.toml", "schemas/pyproject.toml", "CHANGELOG.md")
    version = version_of(*((ROOT / each).read_text() for each in texts))
    if _run("git", "status", "--porcelain").strip():
        raise NotReady("The tree is not clean: commit or remove what `git status` names.")
    _run(sys.executable, "-m", "tests.suite", "--static")
    for folder in (ROOT / "schemas", ROOT):
        _run(sys.executable, "-m", "hatchling", "build", "-d", str(into), folder=folder)
    wheel = into / f"job_trigger_worker-{version}-py3-none-any.whl"
    if missing := missing_of(wheel):
        raise NotReady(f"{wheel.name} lacks {', '.join(missing)}.")
    return version


def _run(*command: str, folder: Path = ROOT) -> str:
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=_BUILD_S, check=False
    )
    if done.returncode:
        raise NotReady(f"`{' '.join(command)}` failed:\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
