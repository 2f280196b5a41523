"""What a comparison says, and what it refuses to compare."""

from dataclasses import replace

import numpy as np
import pytest
from comparisons.fakes import fake_run, model

from qlit.comparisons.comparison import Model, compare
from qlit.comparisons.verdicts import margin_text
from qlit.reports.comparison_text import comparison_text
from qlit.runtime.intervals import wilson_interval
from qlit.tracking.config_hash import BODY, DATA

LOW = (0.70, 0.72, 0.71, 0.69)


def test_a_margin_is_judged_by_the_end_of_the_interval_not_by_the_mean():
    one, two = model("a", (0.8, 0.82, 0.81)), model("b", (0.79, 0.815, 0.8))
    assert compare([one, two]).margin is None
    assert compare([one, two]).pairs[0].second_is_not_worse is None
    low, high = compare([one, two]).pairs[0].ends
    assert -0.05 < low < -0.005 < high < 0.01
    for margin, second in ((-low + 1e-9, True), (-low - 1e-9, False)):
        (pair,) = compare([one, two], margin).pairs
        assert (pair.first_is_not_worse, pair.second_is_not_worse) == (True, second)
    (pair,) = compare([two, one], 0.012).pairs  # the order of the models does not matter
    assert (pair.first_is_not_worse, pair.second_is_not_worse) == (-low < 0.012, True)


def test_the_margin_of_a_single_split_is_judged_over_its_sentences():
    (pair,) = compare([model("a", (0.8,), num_test=1000), model("b", (0.8,), num_test=1000)], 0.2).pairs
    assert pair.ends == (pair.splits[0].low, pair.splits[0].high)
    assert pair.first_is_not_worse
    assert pair.second_is_not_worse
    text = margin_text(pair, 0.2)
    assert text.startswith(
        "Margin of 20 points: b is not worse than a by as much, and a is not worse than b by as much ("
    )


def test_a_steady_difference_over_splits_is_told_as_one():
    found = compare([model("a", LOW), model("b", [each + 0.1 for each in LOW[:3]] + [0.80])])
    (pair,) = found.pairs
    assert pair.difference == pytest.approx(0.1025)
    assert pair.low == pytest.approx(0.1025 - 3.182446 * 0.005 / 2, abs=1e-6)  # t of 3 degrees of freedom, sd 0.005
    assert pair.cohens_dz == pytest.approx(20.5)
    assert not pair.is_noise
    assert pair.verdict == "b is better than a by 10.25 points (95 % interval 9.45 to 11.05, paired over 4 splits)."
    assert [each.mean for each in found.models] == pytest.approx([0.705, 0.8075])
    assert (found.num_splits, found.num_test, found.dataset) == (4, 200, "set")


def test_the_sign_of_a_difference_does_not_change_its_sentence():
    better, worse = model("b", [each + 0.1 for each in LOW[:3]] + [0.80]), model("a", LOW)
    (pair,) = compare([better, worse]).pairs
    assert pair.difference < 0
    assert pair.verdict == "b is better than a by 10.25 points (95 % interval 9.45 to 11.05, paired over 4 splits)."


def test_a_difference_that_changes_sign_is_within_noise():
    (pair,) = compare([model("a", LOW), model("b", (0.72, 0.70, 0.70, 0.72))]).pairs
    assert pair.is_noise
    assert pair.verdict.startswith("The difference between b and a, 0.50 points (95 % interval -")
    assert pair.verdict.endswith("paired over 4 splits), is within noise.")


def test_few_splits_with_large_and_uneven_differences_are_told_as_such():
    (pair,) = compare([model("a", (0.6, 0.6)), model("b", (0.75, 0.95))]).pairs
    assert pair.is_noise
    ending = (
        "paired over 2 splits), is within noise of so few splits, although the test sentences of every split favour b."
    )
    assert pair.verdict.endswith(ending)
    (other,) = compare([model("b", (0.75, 0.95)), model("a", (0.6, 0.6))]).pairs
    assert other.verdict == pair.verdict


def test_a_single_split_is_judged_by_its_sentences():
    right = np.arange(200) < 150
    first = Model("a", (fake_run("a0", right),))
    clearly = Model("b", (fake_run("b0", np.arange(200) < 170),))
    hardly = Model("c", (fake_run("c0", np.arange(200) < 152),))
    found = compare([first, clearly, hardly])
    ab, ac, _ = found.pairs
    assert (ab.low, ab.p_value, ab.cohens_dz) == (None, None, None)
    assert ab.splits[0].mcnemar.only_second == 20
    assert not ab.is_noise
    assert "over the sentences of this one split); another split or seed may say otherwise." in ab.verdict
    assert ac.is_noise  # 0 against 2 sentences: mid-p 0.25
    assert (found.models[0].low, found.models[0].high) == wilson_interval(0.75, 200)


def test_the_tuning_budget_is_told():
    few, many = {"trainer.max_epochs": "5", "parameters.total": "353"}, {"trainer.max_epochs": "800"}
    equal = compare([model("a", LOW, params=few), model("b", LOW, params=few)])
    assert equal.budget.startswith(
        "Equal tuning budget: one setting, 5 epochs per model; the epoch with the best validation"
    )
    assert equal.models[0].num_parameters == 353
    by_loss = model("b", LOW, params={**few, "model.select_by": "loss"})
    assert compare([by_loss, by_loss]).budget.endswith("; the epoch with the lowest validation loss was tested.")
    assert compare([model("a", LOW, params=few), by_loss]).budget.endswith(
        "the epoch with the best validation accuracy, but of b that with the lowest validation loss was tested."
    )
    longer = compare([model("a", LOW, params=few), model("b", LOW, params=many)])
    assert longer.budget.startswith("The tuning budgets differ: a had one setting, 5 epochs; b had one setting, 800")
    tuned = compare([model("a", LOW), model("b", LOW, tags={"tuning.num_settings": "20"})])
    assert tuned.budget == "The tuning budgets differ: a had one setting; b had the best of 20 settings."
    with pytest.raises(ValueError, match=r"tuning\.num_settings of run b0 must be a whole number, but is 'few'"):
        compare([model("a", LOW), model("b", LOW, tags={"tuning.num_settings": "few"})])


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ((fake_run("b0", [1, 0], split="s1", dataset="other"),), r"read different data, set \(d\) and other"),
        (
            (fake_run("b0", [1, 0], split="s1", tags={DATA: "e"}),),
            r"read different data, set \(d\) and set \(e\)",
        ),
        ((fake_run("b0", [1, 0], split="s1"),), r"have different splits, s0 and s1; .* including `data.seed`"),
        ((fake_run("b0", [1, 0], first_index=1),), "were tested on different sentences of the same split"),
        ((fake_run("b0", [1, 0]), fake_run("b1", [1, 0], split="s1")), "but a has 1 and b has 2"),
    ],
)
def test_what_differs_is_not_compared(other, message):
    with pytest.raises(ValueError, match=message):
        compare([Model("a", (fake_run("a0", [1, 1], tags={DATA: "d"}),)), Model("b", other)])


def test_a_data_set_may_have_another_name():
    found = compare([Model("a", (fake_run("a0", [1, 1]),)), Model("b", (fake_run("b0", [1, 0], dataset="other"),))])
    assert found.dataset == "set"


def labelled(run_id, labels, *, names=("no", "yes"), **options):
    run = fake_run(run_id, [1, 1], **options)
    return replace(run, predictions=replace(run.predictions, labels=np.array(labels), label_names=names))


@pytest.mark.parametrize(
    ("second", "message"),
    [
        (labelled("a1", [1, 0], split="s1"), "1 of their 2 common test sentences have different labels"),
        (labelled("a1", [1, 1], split="s1", names=("bad", "good")), "The runs a0 and a1 of a read different data"),
        (fake_run("a1", [1, 1], split="s1", tags={DATA: "e"}), "The runs a0 and a1 of a read different data"),
        (fake_run("a1", [1, 1], split="s1", tags={BODY: "e"}), "a0 and a1 of a have bodies with different files"),
    ],
)
def test_one_models_runs_are_of_the_same_data_and_body(second, message):
    first = fake_run("a0", [1, 1], tags={DATA: "d", BODY: "d"})
    with pytest.raises(ValueError, match=message):
        compare([Model("a", (first, second)), Model("b", (first, second))])


def test_bodies_that_differ_are_named():
    one, two = (Model(name, (fake_run(f"{name}0", [1, 0], tags={BODY: body}),)) for name, body in ("ac", "bd"))
    same = compare([one, Model("b", one.runs)])
    assert same.bodies == ""
    told = compare([one, two]).bodies
    assert told == "The files of the bodies differ: a c, b d."
    assert told in comparison_text(compare([one, two]))


def test_one_model_is_no_comparison():
    with pytest.raises(ValueError, match="needs at least two models, but got 1"):
        compare([model("a", LOW)])
