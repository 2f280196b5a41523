"""Contrastive fine-tuning: the pairs, and a real training of MiniLM on a handful of sentences."""

import json
import math

import pytest
import torch

from qlit.data import BodyFolder, body_fingerprint, load_body
from qlit.data.contrastive import ContrastiveSettings, draw_pairs, fine_tune
from qlit.data.fine_tuned import seen_by

TEXTS = ["a fine film", "great fun", "lovely acting", "a dull film", "an awful mess", "boring talk"]
LABELS = [1, 1, 1, 0, 0, 0]


def test_every_sentence_has_as_many_partners_of_its_own_label_as_of_others():
    labels = [0, 1, 2, 0, 1, 2, 2]
    pairs = draw_pairs(labels, 4, seed=0)
    assert len(pairs) == 2 * 4 * len(labels)
    for sentence in range(len(labels)):
        mine = [(partner, similarity) for first, partner, similarity in pairs if first == sentence]
        assert [similarity for _, similarity in mine] == [1.0] * 4 + [0.0] * 4
        assert all(partner != sentence for partner, _ in mine)
        assert all((labels[partner] == labels[sentence]) == (similarity == 1) for partner, similarity in mine)
    assert draw_pairs(labels, 4, seed=0) == pairs != draw_pairs(labels, 4, seed=1)


@pytest.mark.parametrize("labels", [[0, 0, 1], [0, 0, 0]])
def test_a_sentence_without_a_partner_is_refused(labels):
    with pytest.raises(ValueError, match=r"at least two labels and two training sentences per label, .* raise"):
        draw_pairs(labels, 1, seed=0)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"pairs_per_sentence": 0}, "`pairs_per_sentence >= 1` must hold, but got pairs_per_sentence=0"),
        ({"num_epochs": 0}, "num_epochs=0"),
        ({"batch_size": 0}, "batch_size=0"),
        ({"seed": -1}, "`seed >= 0` must hold, but got seed=-1"),
        ({"lr": 0.0}, r"`lr > 0` must hold, but got lr=0\.0"),
        ({"lr": math.inf}, "lr=inf"),
    ],
)
def test_numbers_out_of_range_are_refused(setting, message):
    with pytest.raises(ValueError, match=message):
        ContrastiveSettings(**setting)


def test_an_output_that_is_there_is_not_overwritten(body, tmp_path):
    with pytest.raises(FileExistsError, match="name another folder, or remove it first"):
        fine_tune(body, TEXTS, LABELS, tmp_path, ContrastiveSettings())


def test_a_fine_tuning_that_diverges_leaves_no_body(minilm, tmp_path):
    settings = ContrastiveSettings(pairs_per_sentence=1, batch_size=4, lr=1e30)
    with pytest.raises(ValueError, match=r"diverged: its loss .* Lower .* \(`contrastive.lr`, here 1e\+30"):
        fine_tune(minilm, TEXTS, LABELS, tmp_path / "tuned", settings)
    assert not list(tmp_path.iterdir())


def separation(vectors):
    """Mean cosine similarity within labels minus the one between them."""
    cosines = torch.nn.functional.normalize(vectors) @ torch.nn.functional.normalize(vectors).T
    same = torch.tensor(LABELS)[:, None] == torch.tensor(LABELS)
    return (cosines[same & ~torch.eye(6, dtype=torch.bool)].mean() - cosines[~same].mean()).item()


def test_minilm_learns_to_tell_labels_apart_and_where_it_started_stays_as_it_was(minilm, tmp_path, capfd):
    before = body_fingerprint(minilm.path)
    settings = ContrastiveSettings(pairs_per_sentence=2, num_epochs=4, batch_size=8, lr=5e-5)
    output = tmp_path / "bodies" / "tuned"
    losses, _ = fine_tune(minilm, TEXTS, LABELS, output, settings, facts={"dataset": "few"})
    assert capfd.readouterr().out == ""
    assert len(losses) >= 10
    assert sum(losses[-3:]) < 0.7 * sum(losses[:3])
    assert body_fingerprint(minilm.path) == before
    assert [path.name for path in output.parent.iterdir()] == ["tuned"]

    tuned = BodyFolder("tuned", output)
    record = json.loads((output / "qlit.json").read_text())
    assert (record["base"], record["dataset"], record["losses"]) == (minilm.name, "few", losses)
    assert len(seen_by(tuned)) == len(TEXTS)
    bodies = [load_body(each) for each in (minilm, tuned)]
    with torch.no_grad():
        apart = [separation(each.encode(TEXTS, convert_to_tensor=True, show_progress_bar=False)) for each in bodies]
    assert apart[1] > apart[0] + 0.1
    old, new = (each.state_dict() for each in bodies)
    assert old.keys() == new.keys()
    still = {name for name in old if torch.equal(old[name], new[name])}
    # Mean pooling goes past BERT's pooler, which therefore has no gradient.
    assert {name for name in still if old[name].is_floating_point()} == {
        name for name in old if ".pooler.dense." in name
    }
