"""What the figures were measured on."""

import os
import platform
import statistics
import time
from pathlib import Path

import psutil

SYNCS = 50
PAGE = 8192


def describe() -> dict[str, object]:
    """Processor, cores, memory, kernel and Python."""
    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "memory_gb": round(psutil.virtual_memory().total / 1024**3),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
    }


def fsync_ms(folder: Path) -> float:
    """Median time to append 8 KiB to a file in `folder` and have the disk keep it."""
    times = []
    path = folder / "fsync"
    with path.open("wb", buffering=0) as file:
        for _ in range(SYNCS):
            began = time.perf_counter()
            file.write(os.urandom(PAGE))
            os.fsync(file.fileno())
            times.append((time.perf_counter() - began) * 1000)
    path.unlink()
    return statistics.median(times)


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
