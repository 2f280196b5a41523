"""Processes of `qlit` that start with everything imported, forked by the fork server of multiprocessing.

A command starts in a tenth of a second instead of several. Tests of the start itself need `python -m qlit`: of imports,
of variables that libraries read when they are imported, of processes that Lightning starts.
"""

import atexit
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import chdir, contextmanager, suppress
from multiprocessing import forkserver
from pathlib import Path

from empty_store import CopiedFrom, copied_tables

_CONTEXT = multiprocessing.get_context("forkserver")


class ForkedCommand:
    """A running `qlit` that leads a process group of its own; has the methods of `subprocess.Popen` that tests use.

    Args:
        folder: Its current folder.
        arguments: Of the command.
        variables: Its environment.
    """

    def __init__(self, folder: Path, arguments: Sequence[str], variables: dict[str, str]) -> None:
        home = Path(__file__).parent  # of the server: not the folder of the test that starts it
        with _environment(variables | {"PYTHONPATH": os.pathsep.join(sys.path)}), chdir(home):
            _CONTEXT.set_forkserver_preload(["prefork_imports"])
            forkserver.ensure_running()
        self._output = Path(tempfile.mkdtemp(prefix="qlit-output-"))
        settings = (folder, arguments, variables, self._output, CopiedFrom.database)
        self._process = _CONTEXT.Process(target=_run, args=settings)
        self._process.start()
        self.pid = self._process.pid
        atexit.register(self._kill_group)  # before multiprocessing waits for it, where its test has failed

    @property
    def returncode(self) -> int | None:
        """Its exit status; -n if signal n killed it, None while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Wait for its end; standard output and standard error."""
        self._process.join(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired("qlit", timeout or 0)
        atexit.unregister(self._kill_group)
        if self._output.exists():
            self._texts = (self._output / "out").read_text(), (self._output / "err").read_text()
            shutil.rmtree(self._output)
        return self._texts

    def send_signal(self, number: signal.Signals) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def _kill_group(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.clear()
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _run(folder: Path, arguments: Sequence[str], variables: dict[str, str], output: Path, tables: Path | None) -> None:
    """Become `python -m qlit`."""
    from qlit.cli import main

    os.setsid()
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(variables)
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(output / name, os.O_WRONLY | os.O_CREAT), number)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w", buffering=1)
    sys.argv = ["qlit", *arguments]
    sys.path.insert(0, str(folder))
    warnings.filterwarnings("error", category=UserWarning, module=r"qlit\Z")
    try:
        with copied_tables(tables):
            status = main(arguments)
    finally:
        atexit._run_exitfuncs()
    sys.exit(status)
