"""Bad input in one sentence, a bug with its traceback, and what a shell expects of signals and closed pipes."""

import json
import subprocess
import sys

import pytest
from data.helpers import environment

from qlit.data import resolve_body
from qlit.engines import engine_by_name
from qlit.runtime.errors import UsageError, in_one_sentence, nearest
from qlit.runtime.intervals import wilson_interval
from qlit.runtime.sqlite_file import check_database


@pytest.fixture
def outcome(capsys, monkeypatch):
    """Exit status, standard output and standard error of a command."""
    monkeypatch.delenv("QLIT_TRACEBACK", raising=False)

    def run(command):
        status = in_one_sentence("qlit try", command)
        return status, *capsys.readouterr()

    return run


def raising(error):
    def command():
        raise error

    return command


def test_a_command_that_works_says_nothing_more(outcome):
    assert outcome(lambda: print("row") or 0) == (0, "row\n", "")
    assert outcome(lambda: 3) == (3, "", "")


@pytest.mark.parametrize(
    ("command", "sentence"),
    [
        (lambda: wilson_interval(0.5, 0), "`num_samples >= 1` must hold, but got num_samples=0."),
        (
            lambda: engine_by_name("qpu"),
            "There is no engine 'qpu'; there are: auto, cuda, density_matrix, native, reference, torch, "
            "torchquantum, pennylane:DEVICE, and the import path of ",
        ),
        (lambda: resolve_body("./no/such"), "There is no body folder ./no/such (in "),
    ],
    ids=["ValueError", "ValueError of an engine", "FileNotFoundError"],
)
def test_an_error_of_our_own_code_is_one_sentence(outcome, command, sentence):
    status, out, err = outcome(command)
    assert (status, out) == (1, "")
    assert err.startswith(f"qlit try: {sentence}")
    assert err.count("\n") == 1
    assert "Traceback" not in err


def test_a_message_over_several_lines_becomes_one(outcome, tmp_path):
    with pytest.raises(FileNotFoundError) as plain:
        resolve_body(f"{tmp_path}/a\n  b")
    assert "\n" in str(plain.value)
    _, _, err = outcome(lambda: resolve_body(f"{tmp_path}/a\n  b"))
    assert f"{tmp_path}/a b (in" in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("command", "last_line"),
    [
        (lambda: 1 // 0, "ZeroDivisionError: "),
        (lambda: json.loads("{"), "json.decoder.JSONDecodeError: "),  # a ValueError, but not one of ours
        (raising(ValueError("raised by this test")), "ValueError: raised by this test"),
        (raising(AssertionError("never so")), "AssertionError: never so"),
    ],
    ids=["ZeroDivisionError", "ValueError of a library", "ValueError of a caller", "AssertionError"],
)
def test_a_bug_keeps_its_traceback(outcome, command, last_line):
    status, out, err = outcome(command)
    assert (status, out) == (1, "")
    assert err.startswith("Traceback (most recent call last):\n")
    assert err.splitlines()[-1].startswith(last_line)


def test_a_traceback_can_be_asked_for(outcome, monkeypatch):
    monkeypatch.setenv("QLIT_TRACEBACK", "1")
    status, _, err = outcome(lambda: wilson_interval(0.5, 0))
    assert status == 1
    assert err.startswith("Traceback")
    assert "num_samples=0" in err


def test_a_usage_error_is_2_and_an_interrupt_130(outcome):
    assert outcome(raising(UsageError("unknown option --x"))) == (2, "", "qlit try: unknown option --x\n")
    assert outcome(raising(KeyboardInterrupt())) == (130, "", "qlit try: interrupted\n")


def test_an_exit_that_was_asked_for_is_not_held_back():
    with pytest.raises(SystemExit) as stop:
        in_one_sentence("qlit try", raising(SystemExit(2)))
    assert stop.value.code == 2


@pytest.mark.parametrize("num_rows", [1, 100_000], ids=["in the buffer", "more than the buffer"])
def test_a_reader_who_has_gone_ends_the_command_as_sigpipe_would(num_rows):
    """In a process of its own, with a buffered standard output whose reader closes it first."""
    code = (
        "import sys; from qlit.runtime.errors import in_one_sentence; sys.stdin.read()\n"
        f"sys.exit(in_one_sentence('qlit try', lambda: print('row\\n' * {num_rows}) or 0))"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**environment(), "PYTHONUNBUFFERED": ""},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    with process:
        process.stdout.close()
        process.stdin.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_the_nearest_word_is_close_or_not_named():
    assert nearest("num_qbits", ["num_qubits", "num_layers"]) == "; did you mean 'num_qubits'?"
    assert nearest("zzz", ["num_qubits", "num_layers"]) == ""
    assert nearest("x", []) == ""


def test_our_own_sentence_about_a_database_is_kept(outcome, tmp_path):
    file = tmp_path / "some.db"
    file.write_text("no database" * 1000)
    status, _, err = outcome(lambda: check_database(file, "MLflow's database"))
    assert status == 1
    assert err.startswith(f"qlit try: MLflow's database {file} is damaged (file is not a database). Restore it")
