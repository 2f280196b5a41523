"""Standard streams that are closed, full or read by nobody: the work is done, and lost output is an error."""

import os
import subprocess
import sys

import pytest
from data.helpers import environment

_COMMAND = """
import os, sys
from qlit.runtime.errors import in_one_sentence
def command():
    for number in range({lines}):
        print("row" * 100)
    print("a message", file=sys.stderr)
    assert sys.stdin.read() == ""
    with open({done!r}, "w") as done:  # the next free number: none of the three
        done.write(str(done.fileno()))
    return {status}
sys.exit(in_one_sentence("qlit try", command))
"""


@pytest.fixture
def ran(tmp_path):
    """Run a command whose streams a shell redirects; the exit status, both outputs and the number of its file."""

    def run(redirection, lines=1, status=0, **variables):
        done = tmp_path / "done"
        code = tmp_path / "command.py"
        code.write_text(_COMMAND.format(lines=lines, done=str(done), status=status))
        process = subprocess.run(
            ["/bin/bash", "-c", f"{sys.executable} {code} {redirection}"],
            env={**environment(), "PYTHONUNBUFFERED": "", **variables},
            stdin=subprocess.DEVNULL, capture_output=True, text=True,
        )  # fmt: skip
        return process.returncode, process.stdout, process.stderr, int(done.read_text())

    return run


@pytest.mark.parametrize("redirection", ["<&-", ">&-", "2>&-", "<&- >&-", "<&- >&- 2>&-"])
def test_a_closed_stream_is_the_null_device(ran, redirection):
    status, _, err, number = ran(redirection)
    assert (status, err) == (0, "" if "2>&-" in redirection else "a message\n")
    assert number > 2


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("lines", [1, 1000], ids=["in the buffer", "more than the buffer"])
def test_output_that_is_lost_is_said_after_the_work(ran, lines, unbuffered):
    status, _, err, _ = ran("> /dev/full", lines, PYTHONUNBUFFERED=unbuffered)
    assert (status, err) == (1, "a message\nqlit try: No space left on device: standard output; free space there.\n")
    assert ran("> /dev/full", lines, status=3)[:1] == (3,)  # what went wrong before counts


def test_a_reader_who_has_gone_ends_no_work(ran):
    status, out, err, _ = ran("| head -1; exit ${PIPESTATUS[0]}", 1000)
    assert (status, err) == (141, "a message\n")
    assert out == f"{'row' * 100}\n"


@pytest.mark.parametrize("redirection", ["2> /dev/full", "2> >(exec true)"])
def test_messages_that_are_lost_are_no_error(ran, redirection):
    status, out, _, _ = ran(redirection)
    assert (status, out) == (0, f"{'row' * 100}\n")


@pytest.mark.parametrize("arguments", [["--help"], ["--version"]])
def test_help_that_is_lost_is_an_error(arguments):
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run(
            [sys.executable, "-m", "qlit", *arguments], env={**os.environ, **environment()},
            stdout=full, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
