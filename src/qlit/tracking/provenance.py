"""Provenance of a run: code, versions, machine and command, as flat tags."""

import importlib.metadata
import os
import platform
import re
import socket
import sys
from pathlib import Path

import psutil

import qlit
from qlit.runtime.checkout import UNKNOWN, Checkout, checkout_of, version_without_commit
from qlit.runtime.secrets import scrub_command

_PACKAGES = (
    "torch",
    "lightning",
    "sentence-transformers",
    "datasets",
    "torchmetrics",
    "scikit-learn",
    "mlflow",
    "numpy",
)


def collect() -> dict[str, str]:
    """Provenance of the results of this process.

    Returns:
        Tags by name, without credentials: `qlit.version` (of the installation; in a git checkout without its commit),
        `git.commit` and `git.dirty` (of the code that runs, only if qlit lies in a git checkout), `python.version`,
        `<package>.version` of the packages that decide results, `platform`, `host`, `cpu.model`, `cpu.cores` (logical),
        `cpu.cores_usable`, `memory.gib`, `torch.threads` (if torch is imported), `cuda.devices` (if there are any),
        `slurm.job_id` (in a SLURM job), `command`. A value that cannot be found is "unknown".
    Cost: below 0.1 s; imports nothing and starts no CUDA context.
    """
    tags = {
        **_code_tags(qlit.__version__, checkout_of(Path(qlit.__file__).parent)),
        "python.version": platform.python_version(),
        **{f"{package}.version": _version(package) for package in _PACKAGES},
        "platform": platform.platform(),
        "host": socket.gethostname(),
        "cpu.model": _cpu_model(),
        "cpu.cores": str(psutil.cpu_count() or "unknown"),
        "cpu.cores_usable": str(_usable_cores() or "unknown"),
        "memory.gib": f"{psutil.virtual_memory().total / 2**30:.1f}",
        "command": scrub_command(sys.argv),
    }
    if torch := sys.modules.get("torch"):
        tags["torch.threads"] = str(torch.get_num_threads())
    if devices := _cuda_devices():
        tags["cuda.devices"] = ", ".join(devices)
    if job := os.environ.get("SLURM_JOB_ID"):
        tags["slurm.job_id"] = job
    return tags


def _code_tags(version: str, checkout: Checkout | None) -> dict[str, str]:
    """Version of the code; for code in a git checkout, its commit in separate tags."""
    tags = {"qlit.version": version_without_commit(version, checkout)}
    if checkout is not None:
        tags |= {"git.commit": checkout.commit, "git.dirty": checkout.dirty}
        if checkout.commit != UNKNOWN:
            tags["mlflow.source.git.commit"] = checkout.commit
    return tags


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _cpu_model() -> str:
    try:
        match = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        match = None
    return match[1].strip() if match else platform.processor() or platform.machine() or "unknown"


def _usable_cores() -> int | None:
    """Cores this process may run on; SLURM and containers often allow fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else psutil.cpu_count()


def _cuda_devices() -> list[str]:
    """Names of the NVIDIA devices from the driver, because a call of CUDA would break a later fork."""
    names = []
    for file in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
        match = re.search(r"^Model:\s*(.+)$", file.read_text(), re.MULTILINE)
        names.append(match[1].strip() if match else "unknown")
    return names
