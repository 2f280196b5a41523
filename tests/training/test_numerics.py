"""Numbers that belong to the version of the numerics.

Where one of these tests fails and the new numbers are right, raise `qlit.engines.numerics.NUMERICS` and put the new
numbers here: otherwise runs that were made before are taken for runs of today.
"""

import lightning.pytorch as pl
import pytest
from training.small import head, trainer

from qlit.data import draw_split, load_texts
from qlit.engines.numerics import NUMERICS
from qlit.training.module import SentenceClassifier

pytestmark = pytest.mark.filterwarnings("ignore:.*treespec, LeafSpec.*:FutureWarning")  # Lightning 2.6, torch 2.13


def test_the_numbers_below_are_those_of_this_version():
    assert NUMERICS == 1


@pytest.mark.parametrize(
    ("options", "fingerprint"),
    [({}, "add82aa509632774"), ({"max_test": 50}, "d70db264bce99436"), ({"stratified": True}, "d8ac18f31db8c498")],
    ids=["all", "max_test", "stratified"],
)
def test_the_same_sentences_are_drawn(options, fingerprint):
    split = draw_split(load_texts("sample"), num_per_label=40, train_fraction=0.8, seed=3, **options)
    assert split.fingerprint == fingerprint


def test_the_same_scores_are_reached(data):
    pl.seed_everything(3, verbose=False)
    module = SentenceClassifier(head(), lr=0.05, lr_decay=0.9)
    running = trainer(max_epochs=3)
    running.fit(module, data(seed=1))
    (tested,) = running.test(module, data(seed=1), verbose=False)
    found = [module.history["train/loss"][-1][1], module.history["val/loss"][-1][1], tested["test/loss"]]
    assert found == pytest.approx([0.65598, 0.67210, 0.64715], abs=1e-3)  # by far more than rounding, on any machine
