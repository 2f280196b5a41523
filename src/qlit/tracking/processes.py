"""Runs whose process died without a word (SIGKILL, power cut) say RUNNING for ever; the next start corrects them."""

import os
import re
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psutil

_CLOCK_S = 2.0  # a process's start is derived from the clock, which may be corrected a little


def process_tags() -> dict[str, str]:
    """Tags by which a later start finds out whether the process that owns a run is gone."""
    return {
        "qlit.host": socket.gethostname(),
        "qlit.pid": str(os.getpid()),
        "qlit.pid_space": _pid_space(),
        "qlit.process_start": f"{psutil.Process().create_time():.2f}",
    }


def reap(client: Any, experiment_id: str) -> list[str]:
    """Mark as KILLED the runs that say RUNNING while their process on this host is gone; returns their ids."""
    from mlflow.exceptions import MlflowException

    wanted = f"attributes.status = 'RUNNING' AND tags.`qlit.host` = '{socket.gethostname()}'"
    reaped = []
    for run in client.search_runs([experiment_id], filter_string=wanted, max_results=1000):
        if not process_is_gone(run.data.tags):
            continue
        try:
            client.set_tag(run.info.run_id, "error", f"process {run.data.tags['qlit.pid']} ended without a word")
            client.set_terminated(run.info.run_id, "KILLED")
        except MlflowException:  # deleted, or reaped by another start, in the meantime
            continue
        reaped.append(run.info.run_id)
    return reaped


def process_is_gone(tags: Mapping[str, Any]) -> bool:
    """Whether the process on this host that set these `process_tags` has ended; False where that cannot be told."""
    try:
        pid, started = int(tags["qlit.pid"]), float(tags["qlit.process_start"])
    except (KeyError, ValueError):
        return False
    if tags.get("qlit.pid_space") != _pid_space():
        return False
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:  # killed, and its parent has not looked yet
            return True
        return abs(process.create_time() - started) > _CLOCK_S  # the number was given to a younger process
    except psutil.NoSuchProcess:
        return True
    except psutil.AccessDenied:
        return False


def is_here(tags: Mapping[str, Any]) -> bool:
    """Whether the process that set these `process_tags` is one of this machine, which can be looked at."""
    return tags.get("qlit.host") == socket.gethostname() and tags.get("qlit.pid_space") == _pid_space()


def _pid_space() -> str:
    """The PID namespace: a container may share the host's name and still count its processes by itself."""
    try:
        return re.sub(r"\D", "", str(Path("/proc/self/ns/pid").readlink()))
    except OSError:
        return ""
