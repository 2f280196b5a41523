"""Find processes that ended without closing their run (SIGKILL, power cut), and set such runs to KILLED."""

import os
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

_CLOCK_S = 2.0  # tolerance: start times are derived from the clock, which may be corrected


def process_tags() -> dict[str, str]:
    """Tags that identify the process of a run, so that a later process can check whether it has ended."""
    return {
        "qlit.host": socket.gethostname(),
        "qlit.pid": str(os.getpid()),
        "qlit.pid_space": _pid_space(),
        "qlit.process_start": f"{psutil.Process().create_time():.2f}",
    }


def reap(client: Any, experiment_id: str) -> list[str]:
    """Set RUNNING runs to KILLED whose process on this host has ended; return their ids."""
    from mlflow.exceptions import MlflowException

    wanted = f"attributes.status = 'RUNNING' AND tags.`qlit.host` = '{socket.gethostname()}'"
    reaped = []
    for run in client.search_runs([experiment_id], filter_string=wanted, max_results=1000):
        if not process_is_gone(run.data.tags):
            continue
        try:
            client.set_tag(run.info.run_id, "error", f"process {run.data.tags['qlit.pid']} ended without a word")
            client.set_terminated(run.info.run_id, "KILLED")
        except MlflowException:  # deleted or reaped by another process meanwhile
            continue
        reaped.append(run.info.run_id)
    return reaped


def process_is_gone(tags: Mapping[str, Any]) -> bool:
    """Whether the process on this host with these `process_tags` has ended; False if that is unknown."""
    try:
        pid, started = int(tags["qlit.pid"]), float(tags["qlit.process_start"])
    except (KeyError, ValueError):
        return False
    if tags.get("qlit.pid_space") != _pid_space():
        return False
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:  # killed, and not yet collected by its parent
            return True
        return abs(process.create_time() - started) > _CLOCK_S  # a younger process has the same number
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False


def is_here(tags: Mapping[str, Any]) -> bool:
    """Whether the process with these `process_tags` belongs to this machine, where it can be checked."""
    return tags.get("qlit.host") == socket.gethostname() and tags.get("qlit.pid_space") == _pid_space()


def _pid_space() -> str:
    """The PID namespace: a container may have the host's name and its own process numbers."""
    try:
        return re.sub(r"\D", "", str(Path("/proc/self/ns/pid").readlink()))
    except OSError:
        return ""
