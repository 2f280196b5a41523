"""`HeadClassifier` in scikit-learn's tools, in other processes and with bad input."""

import logging
import os
import pickle
import re
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import make_classification
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import qlit
from qlit.data import BodyEmbedder, resolve_body
from qlit.heads import Head, LinearHead
from qlit.sklearn import HeadClassifier

ENCODER = {"class_path": "SimulatedQuantumEncoder", "init_args": {"num_qubits": 3, "connectivity": 1}}
HYBRID = {"class_path": "HybridHead", "init_args": {"encoder": ENCODER, "pqc": {"num_qubits": 2}}}


def linear_of(num_features, num_classes):
    """A function that makes a head."""
    return LinearHead(num_features=num_features, num_classes=num_classes)


@pytest.fixture(scope="module")
def rows():
    """90 rows of three named classes."""
    X, y = make_classification(90, 6, n_informative=4, n_classes=3, random_state=0, class_sep=2.0)
    return X, np.array(["bad", "good", "so, so"])[y]


@pytest.fixture(scope="module")
def two(rows):
    X, y = rows
    return X[y != "good"], y[y != "good"]


def test_labels_of_many_classes_come_back(rows):
    X, y = rows
    model = HeadClassifier(random_state=0).fit(X, y)
    assert model.classes_.tolist() == ["bad", "good", "so, so"]
    probabilities = model.predict_proba(X)
    assert probabilities.shape == (90, 3)
    assert probabilities.dtype == np.float64
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert (model.predict(X) == model.classes_[probabilities.argmax(axis=1)]).all()
    assert model.score(X, y) > 0.8
    assert (model.n_features_in_, model.n_epochs_, model.best_epoch_) == (6, 50, 49)
    assert model.head_.num_classes == 3
    assert model.validation_scores_ == {}


def test_it_is_tuned_in_a_pipeline_in_two_processes(two):
    X, y = two
    pipeline = make_pipeline(StandardScaler(), HeadClassifier(random_state=0, max_epochs=3))
    alone = cross_val_score(pipeline, X, y, cv=3)
    assert cross_val_score(pipeline, X, y, cv=3, n_jobs=2).tolist() == alone.tolist()
    grid = {
        "headclassifier__lr": [1e-5, 0.05],
        "headclassifier__head": ["LinearHead", "MLPHead", HYBRID, linear_of],
    }
    found = GridSearchCV(pipeline, grid, cv=2, n_jobs=2, error_score="raise").fit(X, y)
    assert found.best_params_["headclassifier__lr"] == 0.05
    assert found.score(X, y) > 0.7


def name_of(value):
    """The id of a parameter, equal in every process: without the address of a function."""
    return re.sub(r" at 0x[0-9a-f]+", "", str(value))


@pytest.mark.parametrize(
    "head", ["LinearHead", "LogisticRegressionHead", "SVCHead", HYBRID, LinearHead, linear_of], ids=name_of
)
def test_a_pickle_answers_the_same(two, head):
    X, y = two
    model = HeadClassifier(head, random_state=0, max_epochs=1).fit(X, y)
    model.set_params(head="MLPHead")  # a setting of the next fit, not of this one
    again = pickle.loads(pickle.dumps(model))
    assert (again.predict_proba(X) == model.predict_proba(X)).all()
    assert pickle.loads(pickle.dumps(again)).head_.state_dict().keys() == model.head_.state_dict().keys()


def test_another_process_reads_a_pickle_and_gives_the_same_answers(two, tmp_path):
    X, y = two
    model = HeadClassifier(HYBRID, random_state=0, max_epochs=2).fit(X, y)
    (tmp_path / "model.pickle").write_bytes(pickle.dumps((model, X)))
    code = "import pickle, sys; m, X = pickle.load(open(sys.argv[1], 'rb')); print(m.predict_proba(X).tobytes().hex())"
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "model.pickle")], capture_output=True, text=True, timeout=240
    )
    assert done.stdout.strip() == model.predict_proba(X).tobytes().hex(), done.stderr
    assert done.stderr == ""


def test_a_fit_leaves_no_trace(two, tmp_path, monkeypatch, capfd, caplog, recwarn):
    X, y = two
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hpc_ckpt_1.ckpt").write_bytes(b"of a job")  # Lightning resumes from such a file
    monkeypatch.setenv("SLURM_NTASKS", "4")
    monkeypatch.setenv("SLURM_JOB_NAME", "train")
    for name in ("PL_GLOBAL_SEED", "JSONARGPARSE_DEPRECATION_WARNINGS"):
        monkeypatch.delenv(name, raising=False)
    torch.manual_seed(5)
    np.random.seed(5)
    before = torch.get_rng_state(), np.random.get_state()[1].tolist(), torch.get_num_threads()
    handlers = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    environment = dict(os.environ)
    levels = [logging.getLogger(name).level for name in ("lightning.pytorch", "lightning.fabric")]
    with caplog.at_level(logging.INFO):
        model = HeadClassifier(HYBRID, random_state=0, max_epochs=2, validation_fraction=0.3).fit(X, y)
        pickle.loads(pickle.dumps(model)).predict(X)
    assert capfd.readouterr() == ("", "")
    assert [record.getMessage() for record in caplog.records] == []
    assert [str(found.message) for found in recwarn] == []
    assert [path.name for path in tmp_path.iterdir()] == ["hpc_ckpt_1.ckpt"]
    assert torch.equal(torch.get_rng_state(), before[0])
    assert np.random.get_state()[1].tolist() == before[1]
    assert torch.get_num_threads() == before[2]
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == handlers
    assert dict(os.environ) == environment
    assert [logging.getLogger(name).level for name in ("lightning.pytorch", "lightning.fabric")] == levels


def test_fits_in_threads_give_the_weights_of_fits_one_after_another(two):
    X, y = two
    models = [HeadClassifier(HYBRID, random_state=seed, max_epochs=3) for seed in range(4)]
    expected = [clone(model).fit(X, y).predict_proba(X) for model in models]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda model: model.fit(X, y).predict_proba(X), models))
    for ours, theirs in zip(found, expected, strict=True):
        assert (ours == theirs).all()


class Interrupting(Head):
    """A head whose first step is interrupted by Ctrl-C."""

    def __init__(self, num_features):
        super().__init__()
        self.num_classes, self.linear = 2, torch.nn.Linear(num_features, 1)

    def forward(self, embeddings_BD):
        if threading.current_thread() is threading.main_thread():
            os.kill(os.getpid(), signal.SIGINT)
        return self.linear(embeddings_BD)

    def check_features(self, num_features): ...


def test_ctrl_c_interrupts_a_fit_and_not_the_process(two, request):
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell lets background jobs ignore Ctrl-C
    request.addfinalizer(lambda: signal.signal(signal.SIGINT, before))
    for _ in range(2):  # a second one works, too
        with pytest.raises(KeyboardInterrupt):
            HeadClassifier(Interrupting).fit(*two)
    HeadClassifier(random_state=0, max_epochs=1).fit(*two)


def test_validation_rows_choose_the_epoch(two):
    X, y = two
    settings = {"lr": 0.5, "max_epochs": 8, "random_state": 1}
    drawn = HeadClassifier(validation_fraction=0.25, **settings).fit(X, y)
    accuracies = dict(drawn.history_["val/accuracy"])
    assert drawn.validation_scores_["val/accuracy"] == max(accuracies.values()) == accuracies[drawn.best_epoch_]
    by_loss = HeadClassifier(validation_fraction=0.25, select_by="loss", **settings).fit(X, y)
    losses = dict(by_loss.history_["val/loss"])
    assert by_loss.validation_scores_["val/loss"] == min(losses.values()) == losses[by_loss.best_epoch_]
    given = HeadClassifier(**settings).fit(X[:40], y[:40], X[40:], y[40:])
    assert given.score(X[40:], y[40:]) == pytest.approx(given.validation_scores_["val/accuracy"])


def test_no_random_state_draws_from_numpys_generator(two):
    seeds = []
    for _ in range(2):
        np.random.seed(3)
        seeds.append(HeadClassifier(max_epochs=1).fit(*two).random_state_)
    assert seeds[0] == seeds[1] != HeadClassifier(max_epochs=1).fit(*two).random_state_
    assert HeadClassifier(max_epochs=1, random_state=np.random.RandomState(0)).fit(*two).random_state_ > 0


def test_names_of_columns_are_kept(two):
    pandas = pytest.importorskip("pandas")
    X, y = two
    table = pandas.DataFrame(X, columns=list("abcdef"))
    model = HeadClassifier(random_state=0, max_epochs=1).fit(table, y)
    assert model.feature_names_in_.tolist() == list("abcdef")
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(table.rename(columns={"a": "z"}))


def test_a_fitted_head_becomes_a_model_of_sentences(body, tmp_path):
    texts = [f"{word} film" for word in ("good", "bad", "not good", "dull", "very good", "not very bad")] * 3
    labels = ["yes", "no", "no", "no", "yes", "yes"] * 3
    embedder = BodyEmbedder(resolve_body(str(body)))
    X = embedder.embed(texts).vectors.numpy()
    linear = {"class_path": "LinearHead", "init_args": {"num_classes": np.int64(2)}}
    fitted = HeadClassifier(linear, lr=np.float32(0.05), random_state=0, validation_fraction=0.3).fit(X, labels)
    model = fitted.with_body(str(body), dataset="six films")
    assert model.label_names == ("no", "yes")
    np.testing.assert_allclose(model.predict_proba(texts), fitted.predict_proba(X), atol=1e-6)
    qlit.save_pretrained(model, tmp_path / "films")
    card = (tmp_path / "films" / "README.md").read_text()
    assert "Data set: six films." in card
    assert "validation accuracy" in card
    assert "qlit.load(" in card
    again = qlit.load(tmp_path / "films")
    assert np.array_equal(again.predict_proba(texts), model.predict_proba(texts))
    logistic = HeadClassifier("LogisticRegressionHead").fit(X, labels).with_body(str(body))
    qlit.save_pretrained(logistic, tmp_path / "logistic")
    assert (
        "with 9 trained parameters. It gives the labels no, yes." in (tmp_path / "logistic" / "README.md").read_text()
    )
    quantum = HeadClassifier(HYBRID, random_state=0, max_epochs=1).fit(X, labels).with_body(str(body))
    qlit.save_pretrained(quantum, tmp_path / "quantum")  # a saved model names classes by import paths
    assert np.array_equal(qlit.load(tmp_path / "quantum").predict_proba(texts), quantum.predict_proba(texts))
    with pytest.raises(ValueError, match="8 features"):
        HeadClassifier(max_epochs=1).fit(X[:, :5], labels).with_body(str(body))
    with pytest.raises(ValueError, match="cannot name a function"):
        HeadClassifier(linear_of, max_epochs=1).fit(X, labels).with_body(str(body))


def test_sizes_and_names_are_completed_in_encoders_too(two):
    X, y = two
    encoders = [
        "NeuralEncoder",
        {"class_path": "qlit.heads.ProjectedEncoder", "init_args": {"encoder": ENCODER, "num_projected": 8}},
        {"class_path": "ParallelEncoders", "init_args": {"encoder": {"class_path": "NeuralEncoder"}}},
    ]
    for encoder in encoders:
        head = {"class_path": "HybridHead", "init_args": {"encoder": encoder, "pqc": {"num_qubits": np.int64(2)}}}
        before = repr(head)
        fitted = HeadClassifier(head, max_epochs=1, random_state=0).fit(X, y)
        assert {each.num_features for each in fitted.head_.encoder.modules() if hasattr(each, "num_features")} >= {6}
        assert repr(head) == before


# --- bad input ---


def test_text_in_place_of_embeddings_is_refused():
    texts = np.array([["a good film"], ["a bad film"]])
    for X in (texts, texts.astype(object), texts[:, 0], list(texts[:, 0])):
        with pytest.raises(ValueError, match=r"^X must hold embeddings, .* holds text \(.a good film.\): embed.*`\.$"):
            HeadClassifier().fit(X, [0, 1])
    model = HeadClassifier(max_epochs=1).fit([[0.0], [1.0]], [0, 1])
    with pytest.raises(ValueError, match="X must hold embeddings"):
        model.predict(["a good film"])


def test_bad_rows_and_labels_are_named(two):
    X, y = two
    broken = X.copy()
    broken[[4, 7], 2] = np.nan
    with pytest.raises(ValueError, match="Input X contains NaN or infinity in 2 of 60 rows, the first is row 4"):
        HeadClassifier().fit(broken, y)
    model = HeadClassifier(max_epochs=1, random_state=0).fit(X, y)
    with pytest.raises(ValueError, match="Input X contains NaN or infinity"):
        model.predict(broken)
    with pytest.raises(ValueError, match="X has 5 features, but HeadClassifier is expecting 6 features"):
        model.predict(X[:, :5])
    with pytest.raises(ValueError, match="at least two classes, but y has one class, 'bad'"):
        HeadClassifier().fit(X, ["bad"] * 60)
    with pytest.raises(ValueError, match="`y_val` has the label 'awful', which is not a label of y"):
        HeadClassifier().fit(X, y, X[:2], ["bad", "awful"])
    with pytest.raises(ValueError, match="a label for each of the 2 rows of X_val, but has 1"):
        HeadClassifier().fit(X, y, X[:2], ["bad"])
    with pytest.raises(ValueError, match="belong together"):
        HeadClassifier().fit(X, y, X_val=X)
    with pytest.raises(ValueError, match="both were given"):
        HeadClassifier(validation_fraction=0.5).fit(X, y, X, y)
    with pytest.raises(ValueError, match="No validation rows can be drawn"):
        HeadClassifier(validation_fraction=0.5).fit(X[:4], ["a", "b", "b", "b"])
    zeros = X.copy()
    zeros[3] = 0
    with pytest.raises(ValueError, match=r"HybridHead needs .*, but 1 of 60 sentences have others.*X\[3\]"):
        HeadClassifier(HYBRID).fit(zeros, y)
    with pytest.raises(NotFittedError):
        HeadClassifier().predict(X)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"head": "NoHead"}, "The head cannot be made"),
        ({"head": "subprocess.Popen"}, "The head cannot be made"),
        ({"head": {"class_path": "LinearHead", "init_args": {"width": 3}}}, "width"),
        ({"head": {"class_path": "LinearHead", "args": {}}}, "takes the keys class_path and init_args, but got args"),
        ({"head": {"class_path": "LinearHead", "init_args": {"num_classes": 3}}}, "data has 2 classes"),
        ({"head": {"class_path": "LinearHead", "init_args": {"num_features": 3}}}, "have 6 features, but the model"),
        ({"head": {"class_path": "HybridHead"}}, "The head cannot be made"),
        ({"head": 5}, "`head` must be a class name"),
        ({"head": LinearHead(num_features=6)}, "got a LinearHead that has its weights already"),
        ({"head": lambda: 5}, "returns a int"),
        ({"head": lambda size: size}, "cannot be made by <lambda>"),
        ({"lr": -1.0}, "`lr > 0` must hold"),
        ({"lr": "fast"}, "`lr` must be a number, but got 'fast'"),
        ({"lr": 3e38}, "diverged"),
        ({"max_epochs": 0}, "`max_epochs` must be a whole number of at least 1, but got 0"),
        ({"max_epochs": 1.5}, "`max_epochs` must be a whole number"),
        ({"head": "SVCHead", "max_epochs": 3}, "SVCHead is fitted only once"),
        ({"batch_size": 0}, "`batch_size` must be a whole number"),
        ({"select_by": "f1"}, "`select_by` must be one of accuracy, loss, but got 'f1'"),
        ({"validation_fraction": 1.0}, "0 < validation_fraction < 1"),
        ({"order_seed": -1}, "`order_seed` must be"),
        ({"random_state": -5}, "random_state|seed|Seed"),
        ({"device": "tpu"}, "`device` must be one of cpu, cuda, mps, but got 'tpu'"),
        ({"device": "cuda:99"}, "Torch cannot use the device 'cuda:99' here"),
    ],
    ids=name_of,
)
def test_a_setting_that_cannot_be_used_is_refused(two, settings, message):
    with pytest.raises(ValueError, match=message):
        HeadClassifier(**{"random_state": 0, **settings}).fit(*two)


def test_a_fit_that_did_not_converge_warns(rows):
    X, y = rows
    head = {"class_path": "LogisticRegressionHead", "init_args": {"max_iter": 2}}
    with pytest.warns(ConvergenceWarning, match="has not converged within max_iter=2"):
        HeadClassifier(head).fit(X * 100, y)


def test_a_head_of_pairs_is_joined_with_its_body(body):
    pairs = [("good film", "fine film"), ("bad film", "good film"), ("it was", "it was"), ("a dull", "the fine")] * 2
    embedder = BodyEmbedder(resolve_body(str(body)))
    first, second = (embedder.embed(list(side)).vectors.numpy() for side in zip(*pairs, strict=True))
    X, labels = np.concatenate([first, second], axis=1), [1, 0] * 4
    fitted = HeadClassifier("LogisticRegressionHead").fit(X, labels)
    model = fitted.with_body(str(body), pairs=True)
    np.testing.assert_allclose(model.predict_proba(pairs), fitted.predict_proba(X), rtol=0, atol=1e-6)
    with pytest.raises(ValueError, match="trained on pairs of sentences"):
        model.predict(["good film"])
