"""Impossible resumes, which leave their runs unchanged."""

from types import SimpleNamespace

import pytest
import torch
from commands.runs import SMALL, all_runs, client, only_run
from lightning.pytorch.callbacks import EMAWeightAveraging

from qlit.cli import main
from qlit.jobs.checks.resuming import check_resumable


def checkpoint(*, epoch=3, processed=4, ready=4, last=True, **kwargs):
    loop = {
        "epoch_progress": {"current": {"processed": processed, "ready": ready}},
        "epoch_loop.batch_progress": {"is_last_batch": last, "current": {"ready": 2}},
    }
    return {"epoch": epoch, "global_step": 16, "optimizer_states": [], "loops": {"fit_loop": loop}, **kwargs}


def check(saved, *, max_epochs=-1, max_steps=-1, status=None, tests=True, callbacks=()):
    tracker = SimpleNamespace(earlier_status=lambda: status)
    limits = SimpleNamespace(max_epochs=max_epochs, max_steps=max_steps, world_size=2, callbacks=callbacks)
    return check_resumable("last.ckpt", saved, limits, tracker, tests=tests)


def test_a_training_continues_only_from_the_end_of_an_epoch():
    assert check(checkpoint(), max_epochs=5) == ""
    assert check(checkpoint(processed=3), max_epochs=5) == ""  # after its last validation
    with pytest.raises(ValueError, match=r"within epoch 3, after batch 2, .* name the last.ckpt"):
        check(checkpoint(processed=3, last=False), max_epochs=5)


def test_a_checkpoint_of_a_job_that_ran_out_of_time_continues_its_epoch_in_as_many_processes():
    stopped = {"processed": 3, "last": False}
    assert check(checkpoint(**stopped, within_epoch=[{}, {}]), max_epochs=4) == ""  # in the last of 4 epochs
    assert "all of its 3 epochs" in check(checkpoint(**stopped, within_epoch=[{}, {}]), max_epochs=3, tests=False)
    with pytest.raises(ValueError, match=r"within epoch 3 by one process, but this training has 2 processes: start"):
        check(checkpoint(**stopped, within_epoch=[{}]), max_epochs=5)


def test_weights_alone_are_refused():
    saved = checkpoint()
    del saved["optimizer_states"]
    with pytest.raises(ValueError, match="contains only weights"):
        check(saved, max_epochs=5)


def test_averaged_weights_continue_only_with_a_callback_that_averages():
    saved = checkpoint(current_model_state={}, averaging_state={})
    with pytest.raises(ValueError, match=r"has averaged weights, but .* EMAWeightAveraging or WeightAveraging of its"):
        check(saved, max_epochs=5)
    assert check(saved, max_epochs=5, callbacks=[EMAWeightAveraging()]) == ""


def test_fewer_epochs_or_steps_than_trained_are_refused():
    with pytest.raises(ValueError, match=r"4 epochs already, but trainer.max_epochs is 2; raise"):
        check(checkpoint(), max_epochs=2)
    with pytest.raises(ValueError, match=r"16 steps already, but trainer.max_steps is 8; raise"):
        check(checkpoint(), max_steps=8)


def test_a_complete_training_has_nothing_to_do_unless_its_test_is_missing():
    assert check(checkpoint(), max_epochs=4, status="KILLED") == ""
    for options in ({"status": "FINISHED"}, {"status": "KILLED", "tests": False}):
        assert "all of its 4 epochs; raise --trainer.max_epochs" in check(checkpoint(), max_epochs=4, **options)


def test_a_run_that_cannot_continue_is_unchanged_and_one_of_another_store_continues_in_a_new_run(
    tmp_path, monkeypatch, capsys
):
    here, there = tmp_path / "here", tmp_path / "there"
    here.mkdir()
    there.mkdir()
    monkeypatch.chdir(here)
    assert main(["fit", *SMALL]) == 0
    before = only_run(here)
    path = here / "mlruns" / "runs" / before.info.run_id / "last.ckpt"
    capsys.readouterr()

    assert main(["fit", "--ckpt_path", str(path)]) == 0
    assert "nothing to do" in capsys.readouterr().err
    for options in (["--trainer.max_epochs", "1"], ["--trainer.max_epochs", "3", "--model.head.pqc.num_qubits", "3"]):
        assert main(["fit", "--ckpt_path", str(path), *options]) == 1
        assert "Traceback" not in capsys.readouterr().err
    after = only_run(here)
    assert (after.info.status, after.info.end_time) == (before.info.status, before.info.end_time)
    assert after.data.tags == before.data.tags

    monkeypatch.chdir(there)
    (there / "last.ckpt").write_bytes(path.read_bytes())
    assert main(["fit", "--ckpt_path", "last.ckpt", "--trainer.max_epochs", "3", "--model.lr", "0.5"]) == 0
    assert f"This is a new run, which continues run {before.info.run_id}." in capsys.readouterr().out
    new = only_run(there)
    assert new.data.tags["continues.run_id"] == before.info.run_id
    assert (new.data.params["model.lr"], new.data.tags["resumed.model.lr"]) == ("0.5", "0.5")
    assert {point.step for point in client(there).get_metric_history(new.info.run_id, "val/loss")} == {0, 1, 2}
    saved = torch.load(there / "mlruns" / "runs" / new.info.run_id / "best.ckpt", weights_only=True)
    assert saved["qlit"]["run_id"] == new.info.run_id

    monkeypatch.chdir(here)
    options = ["--trainer.max_epochs", "3", "--test_after_fit", "false", "--tracking.run_id", "null"]
    assert main(["fit", "--ckpt_path", str(path), *options]) == 0
    (newest,) = [run for run in all_runs(here) if run.info.run_id != before.info.run_id]
    assert newest.data.tags["continues.run_id"] == before.info.run_id
