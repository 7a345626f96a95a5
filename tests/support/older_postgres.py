"""PostgreSQL of other majors: the system's, or else binaries by Maven into a cache."""

from __future__ import annotations

import fcntl
import lzma
import os
import platform
import shutil
import subprocess
import tarfile
import tempfile
import zipfile
from pathlib import Path

VERSIONS = {14: "14.20.0", 15: "15.15.0", 16: "16.11.0", 17: "17.7.0"}
"""What is fetched of each major that the embedded server is not."""

_ARTIFACT = "io.zonky.test.postgres:embedded-postgres-binaries-linux-{machine}:{version}"
_MACHINES = {"x86_64": "amd64", "aarch64": "arm64v8"}
_DOWNLOAD_TIMEOUT_S = 300.0


class NoPostgres(Exception):
    """This major cannot run here; the sentence says why."""


def programs(major: int) -> Path:
    """The folder of its programs; downloaded (some 10 MB) when it is not there.

    The folder appears whole or not at all, also when two runs begin at once. Raises `NoPostgres`.
    """
    installed = Path(f"/usr/lib/postgresql/{major}/bin")
    if (installed / "initdb").exists():
        return installed
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "job-trigger-worker"
    cache.mkdir(parents=True, exist_ok=True)
    folder = cache / f"postgres-{VERSIONS[major]}"
    with folder.with_name(f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            with tempfile.TemporaryDirectory(dir=cache) as beside:
                _fetch(major, Path(beside))
                (Path(beside) / "tree").rename(folder)
    return folder / "bin"


def _fetch(major: int, into: Path) -> None:
    maven, machine = shutil.which("mvn"), _MACHINES.get(platform.machine())
    if not maven or not machine:
        raise NoPostgres(f"There is no mvn to fetch PostgreSQL {major}, or none for this machine.")
    artifact = _ARTIFACT.format(machine=machine, version=VERSIONS[major])
    command = [maven, "-q", "-B", "dependency:copy", f"-Dartifact={artifact}"]
    try:
        done = subprocess.run(
            [*command, f"-DoutputDirectory={into}"],
            capture_output=True,
            text=True,
            timeout=_DOWNLOAD_TIMEOUT_S,
            check=False,
            cwd=into,
        )
    except subprocess.TimeoutExpired:
        raise NoPostgres(f"Maven did not end within {_DOWNLOAD_TIMEOUT_S:.0f} s.") from None
    jars = list(into.glob("*.jar"))
    if done.returncode or not jars:
        raise NoPostgres(f"Maven could not download {artifact}:\n{done.stdout[-1000:]}")
    with zipfile.ZipFile(jars[0]) as jar:
        (packed,) = [each for each in jar.namelist() if each.endswith(".txz")]
        with (
            jar.open(packed) as stream,
            lzma.open(stream) as tar,
            tarfile.open(fileobj=tar) as tree,
        ):
            tree.extractall(into / "tree", filter="data")
