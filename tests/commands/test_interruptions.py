"""Runs that are killed, stopped and resumed."""

import os
import shlex
import signal

import pytest
import torch
from commands.runs import (
    SMALL,
    all_runs,
    at_full_speed,
    finish,
    history,
    last_epoch,
    only_run,
    run,
    slowed,
    start,
    wait_for_epoch,
    weights,
)

# Long enough to be caught in the middle; a schedule and shots, so that their state has to survive too.
LONG = [*SMALL, "--trainer.max_epochs", "200", "--model.lr_decay", "0.95", "--test_after_fit", "false"]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    arguments = [*LONG, "--trainer.callbacks+", slowed(folder)]
    at_full_speed(folder)
    status, _, err = run(folder, "fit", *arguments)
    assert status == 0, err
    return folder


def test_a_killed_and_resumed_run_ends_like_an_undisturbed_one(undisturbed, tmp_path):
    process = start(tmp_path, "fit", *LONG, "--trainer.callbacks+", slowed(tmp_path))
    wait_for_epoch(tmp_path, 8, process)
    os.killpg(process.pid, signal.SIGKILL)
    finish(process)
    at_full_speed(tmp_path)
    killed_at = last_epoch(tmp_path)
    assert 8 <= killed_at < 199
    run_id = only_run(tmp_path).info.run_id
    assert only_run(tmp_path).info.status == "RUNNING"  # nobody was left to say otherwise

    status, _, err = run(tmp_path, "fit", "--ckpt_path", f"mlruns/runs/{run_id}/last.ckpt", "--allow", "slowed")
    assert status == 0, err
    resumed, reference = only_run(tmp_path), only_run(undisturbed)
    assert resumed.info.run_id == run_id
    assert resumed.info.status == "FINISHED"
    # A later test of the resumed run's checkpoint is a run of its own.
    status, _, err = run(tmp_path, "test", "--ckpt_path", f"mlruns/runs/{run_id}/best.ckpt", "--allow", "slowed")
    assert status == 0, err
    assert len(all_runs(tmp_path)) == 2
    for name in ("last.ckpt", "best.ckpt"):
        ours, theirs = (weights(f, r.info.run_id, name) for f, r in ((tmp_path, resumed), (undisturbed, reference)))
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
    for metric in ("train/loss", "train/accuracy", "val/loss", "val/accuracy", "val/auroc"):
        expected = history(undisturbed, reference.info.run_id, metric)
        found = history(tmp_path, run_id, metric)
        assert len(expected) == 200
        assert {epoch: found[epoch] for epoch in expected if epoch in found} == {
            epoch: value for epoch, value in expected.items() if epoch in found
        }
        assert set(expected) - set(found) <= set(range(killed_at + 1))  # the last 2 s before a SIGKILL may be unsent
        assert set(found) >= set(range(killed_at + 1, 200))


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["INT", "TERM"])
def test_a_stopped_run_prints_how_to_continue(tmp_path, number, status):
    folder = tmp_path / "my run \N{LATIN SMALL LETTER E WITH ACUTE}'s"  # what is printed can be typed
    folder.mkdir()
    process = start(folder, "fit", *LONG, "--trainer.max_epochs", "3000")
    wait_for_epoch(folder, 2, process)
    process.send_signal(number)
    found, _, err = finish(process)
    assert found == status
    assert f"stopped by {number.name}; continue with: qlit fit --ckpt_path " in err
    assert "Traceback" not in err
    assert only_run(folder).info.status == "KILLED"
    _, name, path = shlex.split(err.rpartition("continue with: qlit ")[2].splitlines()[0])
    assert (name, path) == ("--ckpt_path", str(next(folder.glob("mlruns/runs/*/last.ckpt"))))


def test_the_next_run_marks_one_whose_process_is_gone(tmp_path):
    process = start(tmp_path, "fit", *LONG, "--trainer.max_epochs", "3000")
    wait_for_epoch(tmp_path, 1, process)
    os.killpg(process.pid, signal.SIGKILL)
    finish(process)
    status, _, err = run(tmp_path, "fit", *SMALL)
    assert status == 0, err
    assert sorted(each.info.status for each in all_runs(tmp_path)) == ["FINISHED", "KILLED"]
