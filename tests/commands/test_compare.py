"""`qlit compare`, on real trainings of two configs with two seeds, and what it refuses."""

import json
import signal

import pytest
from commands.runs import (
    QUICKSTART,
    SMALL,
    all_runs,
    at_full_speed,
    client,
    finish,
    history,
    slowed,
    start,
    wait_for_epoch,
)

from qlit.cli import main
from qlit.tracking.config_hash import HASH

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*treespec, LeafSpec.*:FutureWarning",  # Lightning 2.6 with torch 2.13
    "ignore::DeprecationWarning:mlflow",
)

OVERRIDES = [*SMALL[2:], "--trainer.max_epochs", "1", "--tracking.experiment", "pair"]
CONFIGS = ["--config", str(QUICKSTART), "--config", f"{QUICKSTART} --model.lr 0.02", "--seeds", "2"]


@pytest.fixture(scope="module")
def compared(tmp_path_factory):
    """The folder of a finished comparison, which all tests share."""
    folder = tmp_path_factory.mktemp("compare")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["compare", *CONFIGS, *OVERRIDES, "--json", "found.json", "--plot", "found.png"]) == 0
    return folder


@pytest.fixture
def refused(tmp_path, monkeypatch, capsys):
    """Run `qlit compare`; return the sentence it ends with."""
    monkeypatch.chdir(tmp_path)

    def run_and_read(*arguments):
        assert main(["compare", *arguments]) in (1, 2)
        shown = capsys.readouterr()
        assert shown.out == ""
        (line,) = shown.err.splitlines()
        return line

    return run_and_read


def test_configs_are_trained_on_the_same_splits_as_ordinary_runs(compared):
    runs = all_runs(compared, "pair")
    assert {run.info.status for run in runs} == {"FINISHED"}
    tags = sorted((run.data.tags["series.model"], run.data.tags["series.seed"]) for run in runs)
    assert tags == [(name, seed) for name in ("quickstart", "quickstart lr 0.02") for seed in ("0", "1")]
    splits = {(run.data.params["data.seed"], run.data.tags["split.fingerprint"]) for run in runs}
    assert len(splits) == 2
    assert {run.data.params["seed_everything"] for run in runs} == {"0", "1"}
    assert sorted(run.data.params["model.lr"] for run in runs) == ["0.005", "0.005", "0.02", "0.02"]


def test_the_numbers_are_those_of_the_runs(compared):
    found = json.loads((compared / "found.json").read_text())
    assert [model["name"] for model in found["models"]] == ["quickstart", "quickstart lr 0.02"]
    accuracies = {run.info.run_id: run.data.metrics["test/accuracy"] for run in all_runs(compared, "pair")}
    for model in found["models"]:
        assert model["num_parameters"] == 49
        assert model["accuracies"] == pytest.approx([accuracies[run_id] for run_id in model["run_ids"]], abs=1e-6)
    assert found["budget"].startswith("Equal tuning budget: one setting, 1 epoch per model")
    assert (compared / "found.png").stat().st_size > 10_000


def test_finished_trainings_are_not_repeated(compared, monkeypatch, capsys):
    monkeypatch.chdir(compared)
    assert main(["compare", *CONFIGS, *OVERRIDES]) == 0
    out, err = capsys.readouterr()
    assert "training" not in err
    assert len(all_runs(compared, "pair")) == 4
    # One that `qlit fit` made counts as well, and is bit for bit what it was.
    lost = next(run for run in all_runs(compared, "pair") if run.data.tags["series.seed"] == "1")
    client(compared).delete_run(lost.info.run_id)
    seeds = ["--data.seed", "1", "--seed_everything", "1", "--model.lr", lost.data.params["model.lr"]]
    assert main(["fit", "--config", str(QUICKSTART), *OVERRIDES, *seeds]) == 0
    assert lost.data.tags[HASH] in {run.data.tags[HASH] for run in all_runs(compared, "pair")}
    capsys.readouterr()
    assert main(["compare", *CONFIGS, *OVERRIDES]) == 0
    again, err = capsys.readouterr()
    assert again == out
    assert "training" not in err


def test_an_option_sets_the_first_seed(compared, monkeypatch, capsys):
    monkeypatch.chdir(compared)
    assert main(["compare", *CONFIGS, *OVERRIDES, "--first_seed", "1", "--json", "later.json"]) == 0
    told = capsys.readouterr().err
    assert "training 1 of 2: quickstart, seed 2\n" in told  # seed 1 was trained before
    assert "training 2 of 2: quickstart lr 0.02, seed 2\n" in told
    later = json.loads((compared / "later.json").read_text())
    for model in later["models"]:
        runs = [client(compared).get_run(run_id) for run_id in model["run_ids"]]
        assert [run.data.params["data.seed"] for run in runs] == ["1", "2"]
    for run_id in {each for model in later["models"] for each in model["run_ids"][1:]}:
        client(compared).delete_run(run_id)  # the other tests look at the first two seeds


def test_a_stopped_comparison_continues_in_the_same_run(tmp_path, monkeypatch, capsys):
    arguments = ["compare", *CONFIGS, *OVERRIDES, "--seeds", "1", "--trainer.max_epochs", "300"]
    arguments += ["--trainer.callbacks+", slowed(tmp_path)]
    process = start(tmp_path, *arguments)
    wait_for_epoch(tmp_path, 2, process)
    process.send_signal(signal.SIGINT)
    status, out, err = finish(process)
    assert (status, out) == (130, ""), err
    assert err.splitlines()[-1] == "qlit compare: stopped by SIGINT; run the same command again to continue"
    (stopped,) = all_runs(tmp_path, "pair")
    assert stopped.info.status == "KILLED"
    at_full_speed(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main(arguments) == 0
    assert "over the sentences of this one split" in capsys.readouterr().out
    runs = all_runs(tmp_path, "pair")
    assert {each.info.status for each in runs} == {"FINISHED"}
    assert len(runs) == 2
    assert stopped.info.run_id in {each.info.run_id for each in runs}
    assert set(history(tmp_path, stopped.info.run_id, "train/loss")) == set(range(300))


def test_a_margin_is_checked_judged_and_stored(compared, monkeypatch, capsys, refused):
    for wrong in ("-1", "0", "101", "nan"):
        assert "`0 < --margin <= 100` points must hold" in refused("a", "b", "--margin", wrong)
    monkeypatch.chdir(compared)
    ids = [run.info.run_id for run in all_runs(compared, "pair")]
    assert main(["compare", *ids, "--margin", "99.9", "--json", "margin.json"]) == 0
    assert "Margin of 99.9 points: " in capsys.readouterr().out
    found = json.loads((compared / "margin.json").read_text())
    assert found["margin"] == pytest.approx(0.999)
    assert {found["pairs"][0]["first_is_not_worse"], found["pairs"][0]["second_is_not_worse"]} <= {True, False}


def test_the_pareto_front_is_drawn_printed_and_stored(compared, monkeypatch, capsys, refused):
    assert "must end with one of .png, .svg, .pdf" in refused("a", "b", "--pareto", "front.html")
    monkeypatch.chdir(compared)
    ids = [run.info.run_id for run in all_runs(compared, "pair")]
    assert main(["compare", *ids, "--pareto", "front.svg", "--json", "front.json"]) == 0
    out = capsys.readouterr().out
    assert "accuracy against trainable parameters" in out
    assert "accuracy against operations of an inference" in out
    fronts = json.loads((compared / "front.json").read_text())["pareto"]
    assert [front["cost"] for front in fronts] == ["trainable parameters", "operations of an inference"]
    assert {point["cost"] for point in fronts[0]["points"]} == {49}
    assert (compared / "front.svg").read_text().startswith("<?xml")
    assert "a comparison needs two runs at least" in refused(ids[0], "--pareto", "one.png")


def test_models_can_be_compared_with_the_first_alone(compared, monkeypatch, capsys):
    monkeypatch.chdir(compared)
    third = ["--config", f"{QUICKSTART} --model.lr 0.03"]
    assert main(["compare", *CONFIGS, *third, *OVERRIDES, "--against_first", "--json", "first.json"]) == 0
    pairs = json.loads((compared / "first.json").read_text())["pairs"]
    assert [(pair["first"], pair["second"]) for pair in pairs] == [
        ("quickstart", "quickstart lr 0.02"),
        ("quickstart", "quickstart lr 0.03"),
    ]
    assert "one of these 2 is wrong" in " ".join(capsys.readouterr().out.split())


def test_runs_are_compared_by_their_ids(compared, monkeypatch, capsys):
    monkeypatch.chdir(compared)
    ids = [run.info.run_id for run in all_runs(compared, "pair")]
    assert main(["compare", *ids]) == 0
    out = capsys.readouterr().out
    assert "20 test sentences of 2 splits" in out
    assert "quickstart lr 0.02" in out
    assert "paired over 2 splits" in out


def test_runs_of_different_splits_are_refused(compared, refused, monkeypatch):
    monkeypatch.chdir(compared)
    runs = {(run.data.params["model.lr"], run.data.params["data.seed"]): run for run in all_runs(compared, "pair")}
    said = refused(runs["0.005", "0"].info.run_id, runs["0.02", "1"].info.run_id)
    assert "have different splits" in said
    assert "including `data.seed`" in said


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "give ids of runs, or configs with --config."),
        (["abc"], "a comparison needs two runs at least, but got one, abc."),
        (["abc", "def"], "There is no run 'abc' in MLflow"),
        (["abc", *CONFIGS], "give ids of runs, or configs with --config, not both."),
        (["abc", "def", "--seeds", "3"], "--seeds and --first_seed go with --config."),
        (["abc", "def", "--first_seed", "3"], "--seeds and --first_seed go with --config."),
        (["abc", "def", "--model.lr", "3"], "options of configs go with --config."),
        (CONFIGS[:2], "a comparison needs two configs at least, but got one"),
        ([*CONFIGS[:2], *CONFIGS[:2]], "is given twice."),
        ([*CONFIGS, "--seeds", "0"], "`--seeds >= 1` must hold, but got 0."),
        ([*CONFIGS, "--first_seed", "-1"], "`--first_seed >= 0` must hold, but got -1."),
        ([*CONFIGS, "--config", "nowhere.yaml"], "There is no config nowhere.yaml"),
        ([*CONFIGS, "--config", ""], "There is no config "),
        ([*CONFIGS, "--config", "it's.yaml"], "The config it's.yaml has a quotation that is not closed."),
        ([*CONFIGS, "--config", f"nowhere.yaml --a.b {'x' * 300}"], "There is no config nowhere.yaml (in "),
        ([*CONFIGS, "--data.sourse", "x"], "unknown option --data.sourse; did you mean '--data.source'?"),
        ([*CONFIGS, "--json", "no/such.json"], "There is no folder for the output no/such.json"),
        ([*CONFIGS, "--plot", "x.gif"], "must end with one of .png, .svg, .pdf"),
        (
            [*CONFIGS, "--trainer.logger", "false"],
            "needs the runs of its trainings, but quickstart records none",
        ),
        (
            [*CONFIGS, "--data.seed", "3"],
            "The trainings of a series get their own --data.seed; leave it out of quickstart",
        ),
        ([*CONFIGS, "--trainer.devices", "2"], "A series trains in one process"),
    ],
)
def test_an_impossible_comparison_is_refused_in_one_sentence(refused, arguments, sentence):
    assert sentence in refused(*arguments)
