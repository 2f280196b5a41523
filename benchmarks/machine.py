"""The machine of a run: what it is, what it can do, and who else is using it."""

import os
import platform
import re
import subprocess
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[1]


def describe(num_threads: int) -> dict[str, Any]:
    return {
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "threads": num_threads,
        "memory_bytes": psutil.virtual_memory().total,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "commit": commit(),
    }


def processor() -> str:
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine()
    fields = dict(re.findall(r"^([\w ]+?)\s*: (.*)$", text.split("\n\n")[0], flags=re.MULTILINE))
    name = fields.get("model name", platform.machine())
    if "cpu family" in fields:  # clouds hide the model's name, not its numbers
        name += f" (family {fields['cpu family']}, model {fields['model']})"
    return name


def commit() -> str:
    """Short hash, with -dirty where files differ from it; "unknown" outside a clone."""

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    try:
        return git("rev-parse", "--short=10", "HEAD") + ("-dirty" if git("status", "--porcelain") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def others(seconds: float = 0.5) -> dict[str, Any]:
    """Cores that are busy while this run does nothing, the load average, and the busiest process if it matters."""
    me = os.getpid()
    processes = [process for process in psutil.process_iter(["pid", "name"]) if process.pid != me]
    for process in processes:
        _percent(process)
    percent = psutil.cpu_percent(interval=seconds)
    cores = percent / 100 * (psutil.cpu_count() or 1)
    busiest = max(((_percent(process), process.info["name"]) for process in processes), default=(0.0, ""))
    return {
        "busy_cores": round(cores, 2),
        "load_average": round(psutil.getloadavg()[0], 2),
        "busiest": busiest[1] if busiest[0] > 10 else None,
    }


def _percent(process: psutil.Process) -> float:
    try:
        return process.cpu_percent()
    except psutil.Error:
        return 0.0


def limits(num_threads: int, seconds: float) -> dict[str, Any] | None:
    """Peak float32 multiply-adds and bandwidths, measured by the compiled extension; None where it is missing."""
    if seconds <= 0:
        return None
    try:
        from qlit.engines import _native
    except ImportError:
        return None
    measured: dict[str, Any] = _native.measure_limits(num_threads, seconds)
    return measured
