"""Study files: what they say is what is read, and what is wrong in them is told in one sentence."""

import pytest

from qlit.runtime.errors import UsageError
from qlit.runtime.shipped_configs import find_shipped
from qlit.studies.definition import Objective, Pruner, Replicate
from qlit.studies.design_kinds import Design
from qlit.studies.files.study_file import read_study

GOOD = """
base: base.yaml
overrides: {trainer.max_epochs: 3}
factors:
  qubits: {keys: [model.q, model.p], values: [10, 12]}
  model.lr: [1e-3, 2.5e-3]
  noise: {keys: [model.p1, model.p2], values: [[1e-4, 1e-3], [2.0e-4, 2.0e-3]]}
"""


@pytest.fixture
def write(tmp_path):
    (tmp_path / "base.yaml").write_text("model: {lr: 1.0}\n")

    def write_study(text, name="some.yaml"):
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write_study


def test_a_study_is_read_with_its_defaults(write):
    study = read_study(write(GOOD))
    assert study.name == "some"
    assert [path.name for path in study.base] == ["base.yaml"]
    assert [factor.name for factor in study.factors] == ["qubits", "model.lr", "noise"]
    assert study.design == Design("full_factorial")
    assert study.replicates == (Replicate(0, 0),)
    assert study.objectives == (Objective("val/accuracy", "maximize"),)
    assert study.pruner == Pruner("none")
    assert (study.hours, study.retries, study.storage) == (None, 2, None)


def test_levels_set_one_key_all_keys_or_each_its_own(write):
    study = read_study(write(GOOD))
    cell = {"qubits": 12, "model.lr": 1e-3, "noise": "[0.0001, 0.001]"}
    assert study.settings(cell) == {
        "trainer.max_epochs": 3, "model.q": 12, "model.p": 12, "model.lr": 1e-3, "model.p1": 1e-4, "model.p2": 1e-3,
    }  # fmt: skip


def test_every_part_can_be_given(write):
    text = (
        GOOD
        + """
  n: {keys: model.n, low: 2, high: 8, step: 2}
  rho: {keys: model.rho, low: 1e-6, high: 1e-3, log: true, when: {qubits: 10}}
name: mine
design: {kind: tpe, num_trials: 40, seed: 7}
replicates: {seeds: [0, 1], splits: [3, 4]}
objectives: val/loss
pruner: {kind: median, warmup_epochs: 5}
budget: {hours: 1.5}
retries: 0
storage: sqlite:///x.db
"""
    )
    study = read_study(write(text))
    assert study.name == "mine"
    assert study.design == Design("tpe", size=40, seed=7)
    assert study.replicates == (Replicate(0, 3), Replicate(1, 3), Replicate(0, 4), Replicate(1, 4))
    assert study.objectives == (Objective("val/loss", "minimize"),)
    assert study.pruner == Pruner("median", 5)
    assert (study.hours, study.retries, study.storage) == (1.5, 0, "sqlite:///x.db")
    n, rho = study.factors[-2:]
    assert (n.is_integer, rho.is_integer) == (True, False)
    assert rho.is_active({"qubits": 10})
    assert not rho.is_active({"qubits": 12})


TWO_STAGE = """
base: base.yaml
factors:
  qubits: {keys: model.q, values: [4, 6, 8], screen: [4, 8]}
  model.lr: {low: 1e-4, high: 1e-1, log: true, screen: [1e-3, 1e-2]}
  model.rho: [0.0, 1e-4]
  model.n: {low: 1, high: 5}
replicates: {splits: [0, 1]}
"""
STAGES = "design: {kind: two_stage, screen: plackett_burman, search: {kind: gp, num_trials: 9}, keep: 2}\n"


def test_a_study_can_have_two_stages(write):
    study = read_study(write(TWO_STAGE + STAGES + "pruner: median\n"))
    search = Design("gp", size=9)
    assert study.design == Design("two_stage", screen=Design("plackett_burman"), search=search, keep=2)
    assert [each.levels for each in study.screening.factors] == [(4, 8), (1e-3, 1e-2), (0.0, 1e-4), (1, 5)]
    assert study.screening.design.kind == "plackett_burman"
    text = TWO_STAGE + STAGES.replace("keep: 2", "keep: 3, significance: 1e-2")
    assert read_study(write(text)).design.significance == 0.01
    others = [text.replace("screen: [4, 8]", "screen: [4, 6]"), text.replace("keep: 3, ", ""), TWO_STAGE + STAGES]
    assert len({read_study(write(each)).fingerprint for each in (text, *others)}) == 4


def test_configs_can_be_levels_too(write, tmp_path):
    (tmp_path / "other.yaml").write_text("model: {}\n")
    study = read_study(write(GOOD + "  config: [base.yaml, other.yaml]\n"))
    assert study.factors[-1].labels == ("base.yaml", "other.yaml")
    assert study.folder == tmp_path


def test_the_fingerprint_is_of_what_the_cells_mean(write, tmp_path):
    first = read_study(write(GOOD)).fingerprint
    assert read_study(write(GOOD + "name: other\nretries: 5\nbudget: {hours: 1}\n")).fingerprint == first
    changed = [GOOD.replace("10, 12", "10, 14"), GOOD.replace("3}", "4}"), GOOD + "replicates: {seeds: [0, 1]}\n"]
    assert first not in {read_study(write(text)).fingerprint for text in changed}
    (tmp_path / "base.yaml").write_text("model: {lr: 2.0}\n")
    assert read_study(write(GOOD)).fingerprint != first


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("- a", "A study file must be keys with values"),
        ("base: [", "is not YAML"),
        ("base: base.yaml", "`factors` must be given"),
        (GOOD + "factrs: 1", "A study file has the unknown key 'factrs'; known are name, base"),
        (GOOD + "  x: [1]", "factor 'x' names no config key: add `keys`"),
        (GOOD + "  a.x: []", "factor 'a.x' has no values"),
        (GOOD + "  a.x: [1, 1]", "The levels of factor 'a.x' must differ"),
        (GOOD + "  a.x: {low: 3, high: 3}", "The range of factor 'a.x' is empty: low=3, high=3"),
        (GOOD + "  a.x: {low: 0, high: 3, log: true}", "logarithmic range must be above 0, but factor 'a.x' starts"),
        (GOOD + "  a.x: {low: 0, high: 3, step: 9}", "The step of factor 'a.x' must fit"),
        (GOOD + "  a.x: {low: 0}", "factor 'a.x' must have `values`, or `low` and `high`"),
        (GOOD + "  a.x: {low: a, high: 3}", "`low` of factor 'a.x' must be a number, but got 'a'"),
        (GOOD + "  a.x: {values: [1], low: 0, high: 3}", "has `values` and a range"),
        (GOOD + "  a.x: {low: 0.0, high: 1.0}", "a full factorial needs the values of 'a.x'"),
        (GOOD + "  a.x: {values: [1, 2], when: {y: 1}}", "'a.x' depends on 'y', which must be a factor"),
        (
            GOOD + "  a.x: {values: [1, 2], when: {qubits: 11}}",
            "depends on 'qubits' being 11, which is not one of its values",
        ),
        (GOOD + "  a.x: {values: [1, 2], when: {qubits: 10}}\ndesign: plackett_burman", "'a.x' has `when`"),
        (GOOD + "  a.x: [1, 2, 3]\ndesign: fractional_factorial", "two levels per factor, but 'a.x' has 3"),
        (GOOD + "  config: [nowhere.yaml]", "There is no config .*nowhere.yaml"),
        (GOOD + "design: grid", "`design.kind` must be one of full_factorial, .*, but got 'grid'"),
        (GOOD + "design: tpe", "the design 'tpe' needs `num_trials`"),
        (GOOD + "design: {kind: sobol, num_cells: 12}", "powers of 2 only, but got num_cells=12"),
        (
            GOOD + "design: {kind: tpe, num_cells: 12}",
            "the design 'tpe' has the unknown key 'num_cells'; known are kind",
        ),
        (GOOD + "replicates: {seeds: [0, 0]}", "`replicates.seeds` must be different numbers"),
        (GOOD + "replicates: {seeds: [x]}", "`replicates.seeds` must be a whole number of at least 0, but got 'x'"),
        (GOOD + "objectives: test/accuracy", "would tune on the test sentences"),
        (GOOD + "objectives: accuracy", "an objective is one of val/loss, val/accuracy, .*, gates, but got 'accuracy'"),
        (GOOD + "objectives: {metric: val/loss, direction: up}", "must be maximize or minimize, but got 'up'"),
        (GOOD + "pruner: median", "a pruner needs a search with one objective"),
        (
            GOOD + "design: {kind: tpe, num_trials: 9}\nobjectives: gates\npruner: median",
            "a pruner needs a `val/` score as the objective: gates is known at once",
        ),
        (GOOD + "pruner: {kind: best}", "`pruner.kind` must be none, median or halving, but got 'best'"),
        (GOOD + "design: {kind: gp, num_trials: 9}\nobjectives: [val/loss, parameters]", "'gp' has one objective"),
        (GOOD + "  a.x: {values: [1, 2], screen: [1, 2]}", "'a.x' has `screen`, which only a two_stage"),
        (TWO_STAGE + "design: two_stage", "the design 'two_stage' needs `screen`, which describes one of its two"),
        (TWO_STAGE + STAGES.replace(", keep: 2", ""), "'two_stage' needs `keep` or `significance`"),
        (
            TWO_STAGE + STAGES.replace("keep", "kept"),
            "'two_stage' has the unknown key 'kept'; known are kind, screen, search",
        ),
        (TWO_STAGE + STAGES.replace("keep: 2", "keep: 4"), "less than the number of factors, 4, but got 4"),
        (TWO_STAGE + STAGES.replace("keep: 2", "keep: 0"), "`design.keep` must be a whole number of at least 1"),
        (TWO_STAGE + STAGES.replace("keep: 2", "significance: 1.5"), "must be between 0 and 1, but got 1.5"),
        (TWO_STAGE + STAGES.replace("plackett_burman", "sobol"),
         "`design.screen.kind` must be one of fractional_factorial, plackett_burman, but got 'sobol'"),
        (TWO_STAGE + STAGES.replace("gp", "nsga2"), "must be one of tpe, gp, random, but got 'nsga2'"),
        (TWO_STAGE + STAGES.replace("num_trials: 9", "num_trials: 1"), "`design.search.num_trials` must be a whole"),
        (TWO_STAGE + STAGES.replace("{kind: gp, num_trials: 9}", "gp"), "the design 'gp' needs `num_trials`"),
        (TWO_STAGE.replace(", screen: [4, 8]", "") + STAGES, "but 'qubits' has 3; name two of them"),
        (TWO_STAGE.replace("[4, 8]", "[4, 7]") + STAGES, "'qubits' is screened at 7, which is not one of its values"),
        (TWO_STAGE.replace("[1e-3, 1e-2]", "[1e-3, 1]") + STAGES, "'model.lr' is screened at 1, which is not one of"),
        (TWO_STAGE.replace("[4, 8]", "[4]") + STAGES, "'qubits' is screened at two levels, not at .4."),
        (TWO_STAGE.replace("[4, 8]", "[4, 8], when: {a: 1}") + STAGES, "'qubits' depends on 'a', which must be"),
        (TWO_STAGE.replace("  model.n: {", "  model.n: {when: {model.rho: 0.0}, ") + STAGES,
         "in a two_stage every factor is active in every cell, but 'model.n' has `when`"),
        (TWO_STAGE + STAGES + "objectives: [val/loss, parameters]", "one objective, a `val/` score, to judge"),
        (TWO_STAGE + STAGES + "objectives: parameters", "one objective, a `val/` score, to judge the factors"),
        (TWO_STAGE.replace("[0, 1]}", "[0]}").replace("1e-4]", "1e-4]\n  a.x: [1, 2]\n  a.y: [1, 2]")
         + STAGES.replace("keep: 2", "significance: 0.05"),
         "8 trainings of 6 factors leave 1 residual degrees of freedom, but `significance` needs 3"),
        (GOOD + "budget: {hours: -1}", "`budget.hours` must be a number of at least 0, but got -1"),
        (GOOD + "name: a/b", "`name` must be at most 100 letters, digits"),
        (GOOD.replace("base: base", "base: no"), "There is no config .*no.yaml, the base of the study file"),
    ],
)  # fmt: skip
def test_an_error_is_one_sentence(write, text, sentence):
    path = write(text)
    with pytest.raises((ValueError, FileNotFoundError), match=sentence) as error:
        read_study(path)
    assert "some.yaml" in str(error.value) or "nowhere" in str(error.value)
    assert "\n" not in str(error.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"There is no study file .*nowhere.yaml"):
        read_study(tmp_path / "nowhere.yaml")


def test_the_base_may_be_the_name_of_a_config_of_qlit_unless_a_file_has_it(write, tmp_path):
    named = GOOD.replace("base: base.yaml", "base: [quickstart, baselines/svc]")
    assert read_study(write(named)).base == (find_shipped("quickstart"), find_shipped("baselines/svc"))
    (tmp_path / "quickstart").write_text("model: {lr: 1.0}\n")
    assert read_study(write(named)).base == (tmp_path / "quickstart", find_shipped("baselines/svc"))
    with pytest.raises(UsageError, match=r"4 configs of qlit are called logistic_regression: .*; name one of them"):
        read_study(write(GOOD.replace("base: base.yaml", "base: logistic_regression")))


def test_configs_may_lie_in_the_home_folder(write, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    study = read_study(write("base: ~/base.yaml\nfactors: {config: [~/base.yaml, base.yaml]}"))
    assert study.base == (tmp_path / "base.yaml",)
    with pytest.raises(FileNotFoundError, match=f"There is no config {tmp_path}/gone.yaml"):
        read_study(write("base: ~/base.yaml\nfactors: {config: [~/gone.yaml]}"))
    with pytest.raises(ValueError, match="the home folder of ~nobody-here/x is not known; set HOME"):
        read_study(write("base: ~nobody-here/x\nfactors: {model.lr: [1, 2]}"))
