"""Every mistake a user can make ends with one clear sentence, a non-zero exit status and no traceback."""

import shutil
import socket
import time

import pytest
import yaml
from commands.runs import QUICKSTART, SMALL, all_runs, run, run_new

from qlit.cli import main

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*treespec, LeafSpec.*:FutureWarning",  # Lightning 2.6 with torch 2.13
    "ignore::DeprecationWarning:mlflow",
)


@pytest.fixture
def refused(tmp_path, monkeypatch, capsys):
    """Run `qlit fit` on the small config with changes; return the one sentence it ends with."""
    monkeypatch.chdir(tmp_path)

    def run_and_read(*options: str, config=SMALL) -> str:
        status = main(["fit", *config, "--trainer.logger", "false", *options])
        shown = capsys.readouterr()
        assert status in (1, 2)
        assert "Traceback" not in shown.err
        assert shown.out == ""
        assert not (tmp_path / "mlruns").exists()
        (line,) = [line for line in shown.err.splitlines() if line.startswith("qlit fit: ")]
        return line

    return run_and_read


@pytest.fixture
def sentences(tmp_path):
    """A local file of 60 sentences; `write` changes its rows or columns."""

    def write(name="data.csv", header="text,label", rows=None):
        path = tmp_path / name
        rows = rows or [f"sentence number {k},{k % 2}" for k in range(60)]
        path.write_text("\n".join([header, *rows]) + "\n")
        return str(path)

    return write


def test_an_unknown_key_in_yaml_is_named_with_the_nearest_right_one(refused, tmp_path):
    config = yaml.safe_load(QUICKSTART.read_text())
    config["model"]["head"]["init_args"]["pqc"]["num_reupload"] = 4
    (tmp_path / "typo.yaml").write_text(yaml.safe_dump(config))
    said = refused(config=["--config", "typo.yaml"])
    assert "unknown key 'num_reupload'" in said
    assert "did you mean 'num_reuploads'?" in said


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--config", "nowhere.yaml"], "nowhere.yaml"),
        (["--data.sourse", "x"], "unknown option --data.sourse; did you mean '--data.source'?"),
        (["--data.source", "./nowhere.tsv"], "There is no data file or folder ./nowhere.tsv"),
        (["--data.num_per_label", "10000"], "fewer than num_per_label=10000"),
        (["--data.train_fraction", "1.5"], "`0 < train_fraction < 1` must hold"),
        (["--data.batch_size", "0"], "`batch_size >= 1` must hold, but got batch_size=0"),
        (["--data.body", "no-such-body"], "neither a local folder nor an installed package"),
        (
            ["--model.head.encoder.num_qubits", "8"],
            "384 features needs num_qubits >= 9, but the encoder has num_qubits=8",
        ),
        (["--model.head.pqc.shots", "-1"], "`shots >= 1` must hold, but got shots=-1"),
        (["--model.head.pqc.sampler", "multinomial"], "blocks gradients"),
        (["--model.head.num_classes", "3"], "The data has 2 classes (0, 1), but the head has num_classes=3"),
        (["--model.lr", "0"], "`lr > 0` must hold"),
        (["--ckpt_path", "nowhere.ckpt"], "There is no checkpoint nowhere.ckpt"),
        (
            ["--data.trainable_body", "true"],  # the config centres embeddings
            "(and the encoder's `center: false`), or `trainable_body: false`",
        ),
    ],
)
def test_an_impossible_value_is_refused_in_one_sentence(refused, options, sentence):
    assert sentence in refused(*options)


def test_encoders_that_do_not_divide_the_qubits_are_refused(refused):
    config = str(QUICKSTART.with_name("multi_sqe.yaml"))
    said = refused("--model.head.encoder.num_encoders", "3", config=["--config", config])
    assert "must divide the PQC's qubits, but got num_encoders=3, num_qubits=14" in said


def test_data_that_cannot_be_used_is_refused(refused, sentences):
    plain = sentences()
    small = ["--data.num_per_label", "20"]
    assert "sentiment" in refused("--data.source", plain, "--data.label_column", "sentiment", *small)
    assert "has 30 sentences, fewer than num_per_label=31" in refused(
        "--data.source", plain, "--data.num_per_label", "31"
    )
    rows = [f"sentence number {k},{k % 2}" for k in range(60)]
    blank = sentences(rows=[*rows[:9], ",1", *rows[10:]])
    assert "sentence is blank or missing" in refused("--data.source", blank, *small)


def test_an_unreachable_hub_is_reported_at_once_with_the_offline_ways_out(tmp_path):
    """In a process of its own: the hub's address is read when its library is imported."""
    with socket.socket() as silent:  # accepts, and never answers
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        hub = f"http://127.0.0.1:{silent.getsockname()[1]}"
        environment = {"HF_ENDPOINT": hub, "HF_HOME": str(tmp_path / "hf"), "HF_HUB_OFFLINE": "0"}
        for options in (
            ["--data.body", "sentence-transformers/paraphrase-mpnet-base-v2"],
            ["--data.source", "SetFit/sst2"],
        ):
            began = time.monotonic()
            status, _, err = run_new(tmp_path, "fit", *SMALL, "--trainer.logger", "false", *options, **environment)
            assert status == 1
            assert time.monotonic() - began < 20 + 12  # 20 s for the hub, the rest to start and import
            assert hub in err
            assert "Traceback" not in err


def test_a_checkpoint_of_another_shape_is_refused(refused, tmp_path, capsys):
    assert (
        main(["fit", *SMALL, "--trainer.logger", "false", "--trainer.max_epochs", "1", "--test_after_fit", "false"])
        == 0
    )
    capsys.readouterr()
    (checkpoint,) = tmp_path.rglob("best.ckpt")
    kept = tmp_path / "kept.ckpt"
    checkpoint.rename(kept)
    shutil.rmtree(tmp_path / "mlruns")
    said = refused("--model.head.pqc.num_main_layers", "3", "--ckpt_path", str(kept))
    assert "The model in the checkpoint differs from the config" in said
    assert "head.pqc.theta has shape (28,) there and (32,) here" in said


def test_a_tracking_server_that_is_down_is_reported_before_any_work(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        uri = f"http://someone:secret@127.0.0.1:{taken.getsockname()[1]}"
        assert main(["fit", *SMALL, "--tracking.tracking_uri", uri]) == 1
    err = capsys.readouterr().err
    assert "does not answer" in err
    assert "leave `tracking_uri`" in err
    assert "secret" not in err
    assert "embedding" not in err
    assert "Traceback" not in err


_BREAKING = """
from lightning.pytorch import Callback


class Breaks(Callback):
    def on_train_epoch_end(self, trainer, pl_module):
        raise ValueError("broken on purpose")
"""


def test_a_run_that_fails_is_marked_failed_with_its_error(tmp_path):
    (tmp_path / "breaking.py").write_text(_BREAKING)
    arguments = ["fit", *SMALL, "--trainer.callbacks+=breaking.Breaks"]
    status, _, err = run(tmp_path, *arguments)
    assert status == 1
    assert "broken on purpose" in err
    (found,) = all_runs(tmp_path)
    assert found.info.status == "FAILED"
    assert "broken on purpose" in found.data.tags["error"]


def test_an_early_refusal_creates_no_run(tmp_path):
    status, _, err = run(tmp_path, "fit", *SMALL, "--model.head.encoder.num_qubits", "8")
    assert status == 1
    assert "num_qubits >= 9" in err
    assert not (tmp_path / "mlruns" / "runs").exists()
