"""Predictions of test sentences: made in any order, kept whole, read back or refused."""

import random

import numpy as np
import pytest
import torch
from mlflow import MlflowClient
from safetensors.numpy import save_file
from training.small import head, trainer

from qlit.data import LabelledTexts, Split
from qlit.jobs.callbacks.recorder import RunRecorder
from qlit.jobs.callbacks.run_status import RunStatus
from qlit.jobs.run_logger import RunLogger
from qlit.tracking.predictions import FILE_NAME, Predictions, gathered, predictions_of
from qlit.tracking.tracker import MLflowTracker
from qlit.training.module import SentenceClassifier

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*treespec, LeafSpec.*:FutureWarning",  # Lightning 2.6 with torch 2.13
    "ignore::DeprecationWarning:mlflow",
)

TEXTS = LabelledTexts(tuple("abcdef"), (0, 1, 0, 1, 1, 0), ("no", "yes"), "six")
SPLIT = Split(np.array([0]), np.array([3]), np.array([1, 2, 4, 5]), "f" * 16, 0)


def test_predictions_carry_labels_and_places_of_their_sentences():
    made = predictions_of(TEXTS, SPLIT, [0.9, 0.6, 0.5, 0.1])
    assert made.indices.tolist() == [1, 2, 4, 5]
    assert made.labels.tolist() == [1, 0, 1, 0]
    assert made.predicted.tolist() == [1, 1, 0, 0]
    assert made.is_right.tolist() == [True, False, False, True]
    assert (made.split_fingerprint, made.dataset) == ("f" * 16, "six")


def test_rows_that_come_in_another_order_are_put_into_that_of_the_split():
    made = predictions_of(TEXTS, SPLIT, [0.1, 0.9, 0.6], rows=[3, 0, 1])
    assert made.indices.tolist() == [1, 2, 5]
    assert made.labels.tolist() == [1, 0, 0]
    np.testing.assert_allclose(made.probabilities, [0.9, 0.6, 0.1])


def test_a_column_a_class_may_be_given():
    made = predictions_of(TEXTS, SPLIT, [[0.2, 0.8], [0.5, 0.5], [0.9, 0.1], [0.6, 0.4]])
    assert made.predicted.tolist() == [1, 0, 0, 0]


@pytest.mark.parametrize("probabilities", [[0.9, 0.6, 0.5, 0.1], np.eye(4, 2) / 3 + 1 / 3])
def test_what_is_kept_is_read_back(tmp_path, probabilities):
    made = predictions_of(TEXTS, SPLIT, probabilities)
    made.save(tmp_path / FILE_NAME)
    read = Predictions.load(tmp_path / FILE_NAME)
    for name in ("indices", "labels", "probabilities"):
        np.testing.assert_array_equal(getattr(read, name), getattr(made, name))
        assert getattr(read, name).dtype == getattr(made, name).dtype
    for name in ("split_fingerprint", "label_names", "dataset"):
        assert getattr(read, name) == getattr(made, name)


def test_predictions_that_were_changed_are_refused(tmp_path):
    path, draw = tmp_path / FILE_NAME, random.Random(0)
    made = predictions_of(TEXTS, SPLIT, [0.9, 0.6, 0.5, 0.1])
    made.save(path)
    content = path.read_bytes()
    changes = [content[: draw.randrange(len(content))] for _ in range(20)]
    for bit in draw.sample(range(8 * len(content)), 300):
        changes.append(content[: bit // 8] + bytes([content[bit // 8] ^ 1 << bit % 8]) + content[bit // 8 + 1 :])
    for change in changes:
        path.write_bytes(change)
        with pytest.raises(ValueError, match="holds no test predictions of a run") as refusal:
            Predictions.load(path)
        assert len(str(refusal.value).replace(str(path), "")) < 300


def test_predictions_of_an_older_version_are_read(tmp_path):
    made = predictions_of(TEXTS, SPLIT, [0.9, 0.6, 0.5, 0.1])
    arrays = {name: getattr(made, name) for name in ("indices", "labels", "probabilities")}
    notes = {"label_names": '["no", "yes"]', "dataset": "six", "split_fingerprint": "f" * 16}
    save_file(arrays, tmp_path / FILE_NAME, metadata=notes)
    assert Predictions.load(tmp_path / FILE_NAME).predicted.tolist() == made.predicted.tolist()


def test_too_few_probabilities_or_columns_are_refused():
    with pytest.raises(ValueError, match="Every one of 4 test sentences needs a probability, but got 3"):
        predictions_of(TEXTS, SPLIT, [0.5, 0.5, 0.5])
    with pytest.raises(ValueError, match=r"or \(N, 2\) with N > 0, but got \(4,\), \(4,\), \(4, 3\)"):
        predictions_of(TEXTS, SPLIT, np.ones((4, 3)))
    with pytest.raises(ValueError, match="N > 0"):
        predictions_of(TEXTS, SPLIT, [], rows=[])


def test_another_file_is_refused(tmp_path):
    (tmp_path / "x").write_text("text")
    with pytest.raises(ValueError, match="x holds no test predictions of a run"):
        Predictions.load(tmp_path / "x")


def test_one_process_gathers_its_own():
    (values,) = gathered(torch.tensor([1.0, 2.0]))
    assert values.tolist() == [1.0, 2.0]


def test_a_test_cut_short_keeps_what_it_predicted(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    tracker = MLflowTracker(experiment="cut")
    callbacks = [RunStatus(), RunRecorder({}, "")]
    module, module_data = SentenceClassifier(head()), data(eval_batch_size=10)
    trainer(logger=RunLogger(tracker), callbacks=callbacks, limit_test_batches=2).test(
        module, module_data, verbose=False
    )
    tracker.close()
    path = MlflowClient(f"sqlite:///{tmp_path}/mlruns/mlflow.db").download_artifacts(tracker.run_id, FILE_NAME)
    kept = Predictions.load(path)
    test = module_data.split.test.tolist()
    assert len(set(kept.indices.tolist()) & set(test)) == len(kept.indices) == 20
    assert kept.indices.tolist() != test[:20]  # a sample of the test set, not its front
    assert kept.is_right.mean() == pytest.approx(module.trainer.callback_metrics["test/accuracy"].item())


@pytest.mark.parametrize("limit", [1, 0.5, 2])
def test_a_test_cut_short_is_a_sample_where_the_data_is_sorted_by_label(data, tmp_path, limit):
    sorted_data = data(eval_batch_size=18)
    lines = (tmp_path / "few.tsv").read_text().splitlines()
    (tmp_path / "few.tsv").write_text("\n".join([lines[0], *sorted(lines[1:], key=lambda line: line[-1])]) + "\n")
    running = trainer(limit_test_batches=limit)
    module = SentenceClassifier(head())
    running.test(module, sorted_data, verbose=False)
    labels = module.scores_of("test").labels.tolist()  # 36 test sentences, 18 of each label
    assert len(labels) == (36 if limit == 2 else 18)
    assert (labels == sorted(labels)) == (limit == 2)  # all of them stay in the order of the data
    assert 4 <= sum(labels[:18]) <= 14 or limit == 2  # 9 expected, standard deviation 1.5
