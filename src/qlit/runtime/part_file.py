"""Temporary names for files that are written next to their target and then renamed."""

import hashlib
import os
import re
import secrets
import socket
from contextlib import suppress
from pathlib import Path

import psutil

_NAME_CHARS = 200  # a file name may have 255 bytes
_token = secrets.token_hex(2)
_swept: set[Path] = set()


def part_of(target: Path) -> Path:
    """Hidden file name next to `target` that no other process uses.

    The first call for a target removes the temporary files of killed processes of this machine.
    """
    stem = f".{target.name[:_NAME_CHARS]}"
    if target not in _swept:
        _swept.add(target)
        _sweep(target.parent, stem)
    return target.with_name(f"{stem}.{_machine()}-{os.getpid()}-{_token}.part")


def _sweep(folder: Path, stem: str) -> None:
    ours = re.compile(rf"{re.escape(stem)}\.{_machine()}-(\d+)-([0-9a-f]{{4}})\.part")
    with suppress(OSError):
        for path in folder.iterdir():
            found = ours.fullmatch(path.name)
            # An older qlit used the same name in every process.
            if path.name == f"{stem}.part" or (found and not _is_alive(int(found[1]), found[2])):
                path.unlink(missing_ok=True)


def _is_alive(pid: int, token: str) -> bool:
    return token == _token if pid == os.getpid() else psutil.pid_exists(pid)


def _machine() -> str:
    """Hash, in eight characters, of the host and the PID namespace, in which process ids are unique."""
    try:
        space = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        space = ""
    return hashlib.blake2s(f"{socket.gethostname()} {space}".encode(), digest_size=4).hexdigest()
