"""Parameters and names of runs in MLflow's table."""

from pathlib import Path

import pytest

from qlit.jobs.config.training_parser import kept_config, parse
from qlit.jobs.run_params import run_name, run_params

CONFIGS = Path(__file__).resolve().parents[2] / "configs"


def config_of(*options):
    return kept_config(parse("fit", options)).as_dict()


@pytest.mark.parametrize(
    ("config", "name"),
    [
        ("single_sqe", "sQE 10q, PQC 10q, sst2, seed 0"),
        ("multi_sqe", "2x sQE 14q, PQC 14q, sst2, seed 0"),
        ("baselines/neural_head", "MLP 1x48, sst2, seed 0"),
        ("baselines/svc", "SVC, sst2, seed 0"),
        ("baselines/logistic_regression", "LogisticRegression, sst2, seed 0"),
        ("ablations/neural_encoder", "Neural 1x48, PQC 14q, sst2, seed 0"),
        ("ablations/projection", "sQE 6q, PQC 6q, sst2, seed 0"),
    ],
)
def test_a_name_states_model_data_and_split(config, name):
    made = config_of("--config", str(CONFIGS / f"{config}.yaml"))
    assert run_name(made, "fit") == name
    assert run_name(made, "test") == f"test: {name}"


@pytest.mark.parametrize("source", ["my/reviews.tsv", "/data/reviews.tsv", "../reviews.tsv"])
def test_a_name_has_the_last_part_of_a_path(source):
    made = config_of("--config", str(CONFIGS / "baselines/svc.yaml"), "--data.source", source, "--data.seed", "3")
    assert run_name(made, "fit") == "SVC, reviews.tsv, seed 3"


def test_a_name_has_the_data_that_is_read():
    svc = ["--config", str(CONFIGS / "baselines/svc.yaml")]
    made = config_of(*svc, "--data.embeddings", "my/vectors.npz")
    assert run_name(made, "fit") == "SVC, vectors.npz, seed 0"
    params = run_params(made)
    assert params["data.embeddings"] == "my/vectors.npz"
    assert not {"data.source", "data.body"} & params.keys()
    made = config_of(*svc, "--data.test_source", "my/new.tsv")
    assert run_name(made, "fit") == "SVC, sst2, seed 0"
    assert run_name(made, "test") == "test: SVC, new.tsv, seed 0"


@pytest.mark.parametrize("config", [path.relative_to(CONFIGS) for path in sorted(CONFIGS.glob("*.yaml"))], ids=str)
def test_about_twenty_parameters_describe_a_run(config):
    params = run_params(config_of("--config", str(CONFIGS / config)))
    assert 12 <= len(params) <= 26
    assert {"model.head", "model.lr", "data.source", "data.body", "data.seed", "trainer.max_epochs"} <= params.keys()
    assert params["model.head"] == "HybridHead"
    assert not any("init_args" in key for key in params)


def test_what_differs_from_its_default_is_a_parameter_and_nothing_else():
    quickstart = ["--config", str(CONFIGS / "quickstart.yaml")]
    plain = run_params(config_of(*quickstart))
    changed = {
        "trainer.gradient_clip_val": 0.5,
        "data.train_fraction": 0.7,
        "model.weight_decay": 0.1,
        "model.head.pqc.noise.p2": 0.05,
        "model.head.encoder.engine": "torch",
        "model.head.pqc.measured_wires": [1],
    }
    assert not changed.keys() & plain.keys()
    options = [f"--{key}={value}" for key, value in changed.items()]
    assert run_params(config_of(*quickstart, *options)) == plain | changed


def test_callbacks_are_named_and_a_foreign_head_shows_all_that_differs():
    options = ["--trainer.callbacks+=lightning.pytorch.callbacks.EarlyStopping", "--trainer.callbacks.monitor=val/loss"]
    assert run_params(config_of("--config", str(CONFIGS / "quickstart.yaml"), *options))["trainer.callbacks"] == (
        "EarlyStopping"
    )
    head = {"class_path": "nowhere.OwnHead", "init_args": {"width": 3, "note": None}}
    params = run_params({"model": {"head": head, "lr": 0.1}, "data": {}, "trainer": {}})
    assert params == {
        "model.head": "OwnHead",
        "model.head.width": 3,
        "model.head.note": None,
        "model.lr": 0.1,
        "seed_everything": None,
    }
