"""`--quiet`, `--json`, and what a terminal shows during a training."""

import json
import os
import pty
import subprocess

import pytest
from commands.runs import SMALL, command, only_run, run

from qlit.runtime.intervals import wilson_interval


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """The folder of a run, and what `qlit fit --quiet --json` printed."""
    folder = tmp_path_factory.mktemp("quiet")
    status, out, err = run(folder, "fit", *SMALL, "--quiet", "--json")
    assert (status, err) == (0, "")
    return folder, json.loads(out)


def test_a_fit_prints_its_result_as_json(fitted):
    folder, result = fitted
    kept = only_run(folder)
    assert result["run_id"] == kept.info.run_id
    assert kept.info.run_id in result["page"]
    assert result["checkpoint"] == str(folder / "mlruns" / "runs" / kept.info.run_id / "best.ckpt")
    assert (result["num_train"], result["num_validation"], result["num_test"]) == (64, 16, 20)
    assert result["scores"]["test/accuracy"] == pytest.approx(kept.data.metrics["test/accuracy"])
    assert result["intervals"]["test/accuracy"] == pytest.approx(wilson_interval(result["scores"]["test/accuracy"], 20))
    assert result["parameters"]["total"] == int(kept.data.params["parameters.total"])
    assert result["fitted_values"] == int(kept.data.params["parameters.fitted"]) == 384  # the mean embedding
    assert result["best_epoch"] in (0, 1)
    assert "val/selection" not in result["scores"]


def test_a_test_prints_the_same_scores_as_json(fitted):
    folder, result = fitted
    status, out, err = run(folder, "test", "--json", "--ckpt_path", result["checkpoint"], "--quiet")
    assert (status, err) == (0, "")
    tested = json.loads(out)
    assert tested["checkpoint"] == result["checkpoint"]
    assert tested["scores"] == {k: v for k, v in result["scores"].items() if k.startswith("test/")}
    assert tested["best_epoch"] is None


def test_a_finished_run_has_nothing_to_do_and_says_so_as_json(fitted):
    folder, result = fitted
    last = result["checkpoint"].replace("best.ckpt", "last.ckpt")
    status, out, _ = run(folder, "fit", "--ckpt_path", last, "--json", "--quiet")
    assert status == 0
    assert json.loads(out)["run_id"] == result["run_id"]


def test_errors_are_printed_with_quiet_too(tmp_path):
    status, out, err = run(tmp_path, "fit", *SMALL, "--quiet", "--json", "--model.lr", "-1")
    assert (status, out) == (1, "")
    assert len(err.splitlines()) == 1


def test_a_log_has_one_line_for_a_short_training(tmp_path):
    status, _, err = run(tmp_path, "fit", *SMALL)
    assert status == 0
    lines = [line for line in err.splitlines() if line.startswith("epoch ")]
    assert len(lines) == 1
    assert lines[0].startswith("epoch 2 of 2: loss ")
    assert "CPU" in lines[0]
    assert "\x1b" not in err


def test_a_terminal_shows_epochs_and_time_left(tmp_path):
    ours, theirs = pty.openpty()
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TERM": "xterm", "COLUMNS": "80"}
    with subprocess.Popen(
        command("fit", *SMALL), cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=theirs
    ) as process:
        os.close(theirs)
        shown = b""
        while part := _read(ours):
            shown += part
        assert process.stdout is not None
        assert b"test accuracy" in process.stdout.read()
    os.close(ours)
    assert process.returncode == 0
    assert b"of 2 " in shown
    assert b"left" in shown
    assert b"best 0." in shown
    assert shown.rstrip().endswith(b"\x1b[?25h")  # the cursor is visible again


def _read(terminal):
    try:
        return os.read(terminal, 65536)
    except OSError:  # Linux raises EIO when nobody can write any more
        return b""
