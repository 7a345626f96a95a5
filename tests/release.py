"""A release, built and checked and not uploaded: `python -m tests.release`, or `make release`.

Both pyproject files must name the same version, CHANGELOG.md must have a section for it, the tree
must be clean, and the static checks must pass. Then a wheel and an sdist of both distributions are
built offline into `dist/`, and each wheel must hold every committed file of its package and the
licence. Exits 1 with a sentence otherwise.
"""

import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = {"worker": "job_trigger_worker", "schemas": "job_trigger_schemas"}
"""The package of each distribution, by the folder that holds it."""

_LICENCE = "licenses/LICENSE"
_STEP_S = 600.0


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


def missing_of(wheel: Path, committed: Iterable[str]) -> list[str]:
    """What a wheel lacks of these files, and of the licence in its metadata."""
    with zipfile.ZipFile(wheel) as files:
        held = files.namelist()
    has_licence = any(name.endswith(f".dist-info/{_LICENCE}") for name in held)
    return sorted(set(committed) - set(held)) + ([] if has_licence else [_LICENCE])


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
    for place, package in PACKAGES.items():
        wheel = into / f"{package}-{version}-py3-none-any.whl"
        committed = _run("git", "ls-files", package, folder=ROOT / place).splitlines()
        if missing := missing_of(wheel, committed):
            raise NotReady(f"{wheel.name} lacks {', '.join(missing)}.")
    return version


def _run(*command: str, folder: Path = ROOT) -> str:
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, timeout=_STEP_S, check=False
        )
    except subprocess.TimeoutExpired:
        raise NotReady(f"`{' '.join(command)}` has not ended within {_STEP_S:.0f} s.") from None
    if done.returncode:
        raise NotReady(f"`{' '.join(command)}` failed:\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
