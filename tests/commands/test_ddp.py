"""Two processes on one batch."""

import numpy as np
import pytest
import torch
from commands.runs import SMALL, client, history, only_run, run_new
from tolerances import DDP_ATOL

from qlit.tracking.predictions import FILE_NAME, Predictions

# 63 train in batches of 16: uneven parts in the last batch; 17 validate, 21 test: uneven parts everywhere.
UNEVEN = [
    *SMALL, "--trainer.max_epochs", "3", "--data.train_fraction", "0.79", "--data.max_test", "21",
    "--data.eval_batch_size", "8", "--model.lr_decay", "0.9",
    "--model.head.preprocessing", "qlit.heads.PrincipalComponents", "--model.head.preprocessing.num_components", "40",
]  # fmt: skip
TWO = ["--trainer.strategy", "ddp", "--trainer.devices", "2", "--trainer.accelerator", "cpu"]
# Both trainings run in a shell that an allocation, and something of rank 1, left these variables in.
LEFT_OVER = {
    "RANK": "1", "LOCAL_RANK": "1", "WORLD_SIZE": "4", "TORCHELASTIC_RUN_ID": "x", "SLURM_JOB_ID": "7",
    "SLURM_JOB_NAME": "train", "SLURM_NTASKS": "4", "SLURM_PROCID": "", "PMI_RANK": "1", "PL_GLOBAL_SEED": "5",
}  # fmt: skip


# Options of one process and of two, by the library over which two processes talk.
BACKENDS = {
    "gloo": ([], TWO),
    "nccl": (
        ["--trainer.accelerator", "gpu", "--trainer.devices", "1"],
        ["--trainer.strategy", "ddp", "--trainer.devices", "2", "--trainer.accelerator", "gpu"],
    ),
}


@pytest.fixture(scope="module", params=BACKENDS)
def folders(request, tmp_path_factory):
    if request.param == "nccl" and torch.cuda.device_count() < 2:
        pytest.skip(f"two processes over NCCL need two GPUs, and torch sees {torch.cuda.device_count()}")
    alone, together = tmp_path_factory.mktemp("alone"), tmp_path_factory.mktemp("together")
    for folder, options in zip((alone, together), BACKENDS[request.param], strict=True):
        status, out, err = run_new(folder, "fit", *UNEVEN, *options, **LEFT_OVER)
        assert status == 0, err
        assert out.count("test accuracy") == 1  # one process prints
    return alone, together


def test_two_processes_give_the_losses_and_scores_of_one(folders):
    runs = [only_run(folder) for folder in folders]
    assert [each.info.status for each in runs] == ["FINISHED", "FINISHED"]
    assert runs[0].data.tags["data.num_train"] == "63"
    names = {name for name in runs[0].data.metrics if name.split("/")[0] in ("train", "val")}
    assert {"train/loss", "train/accuracy", "val/loss", "val/f1", "val/auroc", "val/calibration_error"} <= names
    for name in names:
        one, two = (history(folder, each.info.run_id, name) for folder, each in zip(folders, runs, strict=True))
        assert one.keys() == two.keys() == {0, 1, 2}
        assert max(abs(one[epoch] - two[epoch]) for epoch in one) <= DDP_ATOL
    for name, value in runs[0].data.metrics.items():
        assert abs(runs[1].data.metrics[name] - value) <= DDP_ATOL


def test_two_processes_keep_the_predictions_and_pictures_of_one(folders, tmp_path):
    kept, pictures = [], []
    for number, folder in enumerate(folders):
        run_id = only_run(folder).info.run_id
        (tmp_path / str(number)).mkdir()
        kept.append(Predictions.load(client(folder).download_artifacts(run_id, FILE_NAME, str(tmp_path / str(number)))))
        pictures.append({item.path for item in client(folder).list_artifacts(run_id)})
    one, two = kept
    assert pictures[0] == pictures[1]
    assert len(one.indices) == 21
    assert one.split_fingerprint == two.split_fingerprint
    np.testing.assert_array_equal(one.indices, two.indices)
    np.testing.assert_array_equal(one.labels, two.labels)
    np.testing.assert_allclose(one.probabilities, two.probabilities, rtol=0, atol=DDP_ATOL)


def test_two_processes_score_a_checkpoint_of_averaged_weights(tmp_path):
    averaged = ["--trainer.callbacks", "EMAWeightAveraging", "--trainer.callbacks.init_args.decay", "0.5"]
    status, out, err = run_new(tmp_path, "fit", *UNEVEN, *TWO, *averaged)
    assert status == 0, err
    best = next((tmp_path / "mlruns" / "runs").glob("*/best.ckpt"))
    status, again, err = run_new(tmp_path, "test", "--ckpt_path", str(best))
    assert status == 0, err
    (before,), (after,) = ([line for line in text.splitlines() if "test accuracy" in line] for text in (out, again))
    assert before == after


@pytest.mark.parametrize("strategy", ["ddp", "ddp_find_unused_parameters_true"])
def test_two_processes_train_a_body(tmp_path, strategy):
    """13 sentences in batches of 4: in the last batch of an epoch one process has no sentence."""
    options = [
        "--data.trainable_body", "true", "--data.num_per_label", "8", "--data.train_fraction", "0.82",
        "--data.batch_size", "4", "--data.max_test", "5", "--data.eval_batch_size", "3",
        "--model.head.encoder.pad_with", "0.15", "--model.head.preprocessing", "null",
    ]  # fmt: skip
    status, out, err = run_new(tmp_path, "fit", *SMALL, *options, *TWO, "--trainer.strategy", strategy)
    assert status == 0, err
    assert "13 train / 3 validation / 5 test" in out
    assert "test accuracy" in out
    assert "body 22,565,376)" in out  # of 22,713,216: without the pooler
    assert history(tmp_path, only_run(tmp_path).info.run_id, "train/loss").keys() == {0, 1}
