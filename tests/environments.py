"""Commands in bad places: forks of one process with all imports done, without streams, folders, a home or room.

    python environments.py FOLDER

makes a checkpoint, a study and their runs in FOLDER, runs every case and writes FOLDER/results.json. A process of its
own, because a process whose libraries have started threads cannot fork safely.
"""

import atexit
import ctypes
import json
import os
import resource
import shutil
import sqlite3
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path

NOBODY = 12345  # a user number without a name
_LIMIT_S = 120.0
_NEWNS, _RDONLY, _REMOUNT, _BIND, _REC, _PRIVATE = 0x20000, 1, 32, 4096, 16384, 1 << 18
_READ_SEARCH = 2  # CAP_DAC_READ_SEARCH
_libc = ctypes.CDLL(None, use_errno=True)


def _called(result: int) -> None:
    if result:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


def _closed(*numbers: int) -> Callable[[Path], None]:
    def take(_: Path) -> None:
        for number in numbers:
            os.close(number)
            for name in (("stdin", "stdout", "stderr")[number], ("__stdin__", "__stdout__", "__stderr__")[number]):
                setattr(sys, name, None)

    return take


def _full(*numbers: int) -> Callable[[Path], None]:
    return lambda _: [os.dup2(os.open("/dev/full", os.O_WRONLY), number) for number in numbers] and None


def _unread(*numbers: int) -> Callable[[Path], None]:
    def take(_: Path) -> None:
        reader, writer = os.pipe()
        os.close(reader)
        for number in numbers:
            os.dup2(writer, number)

    return take


def _read_only(*others: str, current: bool = True) -> Callable[[Path], None]:
    def take(folder: Path) -> None:
        _called(_libc.unshare(_NEWNS))
        _called(_libc.mount(None, b"/", None, _REC | _PRIVATE, None))
        for path in map(str.encode, [str(folder)] * current + [*others]):
            _called(_libc.mount(path, path, None, _BIND, None))
            _called(_libc.mount(None, path, None, _REMOUNT | _BIND | _RDONLY, None))
        os.chdir(folder)  # into the mount

    return take


def _deleted(folder: Path) -> None:
    gone = folder / "gone"
    gone.mkdir()
    os.chdir(gone)
    gone.rmdir()


def _nobody(home: str | None) -> Callable[[Path], None]:
    """A user without a name, who still may read where Python and the checkout lie."""

    def take(folder: Path) -> None:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, NOBODY, NOBODY)
        os.environ.pop("HOME", None)
        if home is not None:
            os.environ["HOME"] = home
        _libc.prctl(8, 1, 0, 0, 0)  # keep capabilities
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        head = (ctypes.c_uint32 * 2)(0x20080522, 0)
        sets = (ctypes.c_uint32 * 6)(*[1 << _READ_SEARCH] * 3, 0, 0, 0)  # effective, permitted, inheritable
        if _libc.capset(head, sets) == 0:
            _libc.prctl(47, 2, _READ_SEARCH, 0, 0)  # for the processes that it starts

    return take


def _limited(kind: int, value: int) -> Callable[[Path], None]:
    return lambda _: resource.setrlimit(kind, (value, value))


def _without_temporary_folder(folder: Path) -> None:
    import tempfile

    tempfile.tempdir = None
    os.environ["TMPDIR"] = "/nonexistent"
    _read_only("/tmp", "/var/tmp")(folder)


PLACES: dict[str, Callable[[Path], None]] = {
    "plain": lambda _: None,
    "no stdin": _closed(0),
    "no stdout": _closed(1),
    "no stderr": _closed(2),
    "no streams": _closed(0, 1, 2),
    "full stdout": _full(1),
    "full streams": _full(1, 2),
    "no reader": _unread(1),
    "no readers": _unread(1, 2),
    "read-only": _read_only(),
    "deleted": _deleted,
    "no home": _nobody(None),
    "unwritable home": _nobody("/nonexistent"),
    "no TMPDIR": _without_temporary_folder,
    "few files": _limited(resource.RLIMIT_NOFILE, 32),
    "small files": _limited(resource.RLIMIT_FSIZE, 20_000),
    "no shared memory": _read_only("/dev/shm", current=False),
}
"""What is taken from a process; the folder is the current one, with a copy of what the commands read."""


def _forked(command: list[str], place: str, folder: Path) -> int:
    """Run a command there in a fork; its process id."""
    if (number := os.fork()) != 0:
        return number
    status = 99
    try:
        os.chdir(folder)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        for stream in (1, 2):
            os.dup2(os.open(f"{folder}.{stream}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666), stream)
        os.closerange(3, 256)
        try:
            PLACES[place](folder)
        except PermissionError:
            os._exit(77)
        # As Python makes them at its start.
        for stream, name in ((1, "stdout"), (2, "stderr")):
            if getattr(sys, name) is not None:  # as Python makes them at its start
                made = open(stream, "w", encoding="utf-8", closefd=False)  # noqa: SIM115
                setattr(sys, name, made)
                setattr(sys, f"__{name}__", made)
        status = _status(command)
    except BaseException:
        Path(f"{folder}.2").write_text(traceback.format_exc())
    finally:
        os._exit(status)


def _status(command: list[str]) -> int:
    from qlit.cli import main

    try:
        status = main(command)
    except SystemExit as stop:
        status = stop.code if isinstance(stop.code, int) else 0
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            status = 120  # as of an interpreter that cannot write what is left
    return status


def _statuses(folder: Path) -> list[str]:
    """Of the runs in MLflow."""
    database = folder / "mlruns" / "mlflow.db"
    if not database.exists():
        return []
    with closing(sqlite3.connect(database)) as connection:
        return [status for (status,) in connection.execute("SELECT status FROM runs")]


def _outcome(folder: Path, returned: int) -> dict[str, object]:
    texts = [Path(f"{folder}.{number}").read_text(errors="replace") for number in (1, 2)]
    return {"status": returned, "out": texts[0], "err": texts[1].replace("\r", "\n"), "runs": _statuses(folder)}


def _ended(process: int) -> int | None:
    found, status = os.waitpid(process, os.WNOHANG)
    return os.waitstatus_to_exitcode(status) if found else None


def run_cases(cases: list[tuple[str, list[str], str]], origin: Path, folder: Path) -> dict[str, dict[str, object]]:
    """Run commands in places, two at once.

    Args:
        cases: Names, command lines and places.
        origin: Folder of which every case gets a copy.
        folder: For the copies.
    """
    waiting, running, results = list(enumerate(cases)), dict[int, tuple[str, Path, float]](), {}
    while waiting or running:
        while waiting and len(running) < 2:
            number, (name, command, place) = waiting.pop(0)
            copy = folder / f"case-{number}"
            shutil.copytree(origin, copy)
            running[_forked(command, place, copy)] = (name, copy, time.monotonic())
        for process, (name, copy, begun) in list(running.items()):
            if (returned := _ended(process)) is None and time.monotonic() - begun > _LIMIT_S:
                os.kill(process, 9)
            if returned is not None:
                del running[process]
                results[name] = _outcome(copy, returned) | {"seconds": time.monotonic() - begun}
        time.sleep(0.02)
    return results


def _import_all() -> None:
    from importlib import import_module

    for name in ("predict", "export", "compare", "table", "describe", "finetune"):
        import_module(f"qlit.commands.{name}")
    for name in ("jobs.study.run", "jobs.study.worker_process", "reports.study_report"):
        import_module(f"qlit.{name}")
    for name in ("mlflow.store.tracking.sqlalchemy_store", "matplotlib.pyplot", "sentence_transformers"):
        import_module(name)


if __name__ == "__main__":
    os.environ |= {"OMP_NUM_THREADS": "1", "QLIT_CACHE": f"{sys.argv[1]}/cache"}
    with suppress(KeyError):
        del os.environ["QLIT_STUDY_STORAGE"]
    base = Path(sys.argv[1])
    told = json.loads((base / "cases.json").read_text())
    _import_all()
    made = {}
    for step, command in enumerate(told["prepare"]):
        words = [word.format(base=base) for word in command]
        made |= run_cases([(f"prepare {step}", words, "plain")], base / "origin", base / f"prepared-{step}")
        shutil.rmtree(base / "origin")
        shutil.copytree(base / f"prepared-{step}" / "case-0", base / "origin")
    runs = sorted(path.parent.name for path in (base / "origin").glob("mlruns/runs/*/best.ckpt"))
    os.system(f"chmod -R a+rwX {base}")
    filled = [
        (name, [word.format(*runs, base=base) for word in command], place) for name, command, place in told["cases"]
    ]
    made |= run_cases(filled, base / "origin", base)
    (base / "results.json").write_text(json.dumps(made))
