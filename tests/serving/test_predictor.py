"""A checkpoint with its body in memory labels sentences as `qlit predict` does."""

import json

import pytest
import torch

from qlit.cli import main
from qlit.heads import Head
from qlit.serving.predictor import Predictor
from qlit.training.logits import BATCH_SIZE, probabilities_of
from qlit.training.module import SentenceClassifier

SENTENCES = ["good film", "a dull film", "it was not very good", "the film"]


@pytest.fixture
def predict(capsys):
    """Rows of `qlit predict`."""

    def run(checkpoint, *sentences):
        assert main(["predict", str(checkpoint), "--format", "jsonl", *sentences]) == 0
        return [json.loads(line) for line in capsys.readouterr().out.splitlines()]

    return run


def assert_equal(predictions, rows):
    assert [found.label for found in predictions] == [row["label"] for row in rows]
    assert [found.probability for found in predictions] == pytest.approx([row["probability"] for row in rows], abs=2e-6)


@pytest.mark.parametrize("uses_cache", [False, True])
def test_the_answers_are_those_of_predict(checkpoint, predict, uses_cache):
    predictor = Predictor.from_checkpoint(checkpoint, uses_cache=uses_cache)
    found = predictor.predict(SENTENCES)
    assert_equal(found, predict(checkpoint, *SENTENCES))
    assert found == predictor.predict(SENTENCES)  # the same shots
    for each in found:
        assert each.probabilities.keys() == {"bad", "good"}
        assert sum(each.probabilities.values()) == pytest.approx(1)
        assert each.probability == max(each.probabilities.values()) == each.probabilities[each.label]


def test_many_classes_and_a_trained_body(save_checkpoint, predict):
    three = save_checkpoint("three", ("bad", "so, so", "good"))
    trained = save_checkpoint("trained", trainable_body=True)
    for path in (three, trained):
        found = Predictor.from_checkpoint(path).predict(SENTENCES)
        assert_equal(found, predict(path, *SENTENCES))


def test_sentences_beyond_one_batch_keep_their_order(save_checkpoint, predict):
    path = save_checkpoint("linear", head="qlit.heads.LinearHead", num_features=8)
    sentences = [f"{'good ' * (number % 7)}film" for number in range(BATCH_SIZE + 10)]
    assert_equal(Predictor.from_checkpoint(path).predict(sentences), predict(path, *sentences))


def test_a_sentence_has_its_own_shots(checkpoint):
    predictor = Predictor.from_checkpoint(checkpoint)
    found = predictor.predict(SENTENCES)
    again = predictor.predict([SENTENCES[2], "another film", SENTENCES[0]])
    assert [again[0].probability, again[2].probability] == pytest.approx(
        [found[2].probability, found[0].probability], abs=1e-6
    )
    other = Predictor.from_checkpoint(checkpoint, seed=1)
    assert abs(other.predict(SENTENCES[:1])[0].probability - found[0].probability) > 1e-5
    assert "8,192 shots per sentence (seed 1)" in other.sampling_notice.text
    exact = [Predictor.from_checkpoint(checkpoint, seed=seed, exact=True) for seed in (0, 1)]
    assert exact[0].predict(SENTENCES) == exact[1].predict(SENTENCES)
    assert exact[0].sampling_notice is None


class OwnHead(Head):
    """A head that adds noise and can seed a batch, but not its rows."""

    def __init__(self) -> None:
        super().__init__()
        self.num_classes, self.num_features = 2, 8
        self.linear = torch.nn.Linear(8, 1)
        self.seed = 0

    def forward(self, embeddings_BD):
        noise = torch.randn(len(embeddings_BD), 1, generator=torch.Generator().manual_seed(self.seed))
        return self.linear(embeddings_BD) + noise

    def check_features(self, num_features):
        pass

    def seed_shots(self, seed, first_row, num_rows):  # noqa: ARG002
        self.seed = seed


def test_a_head_that_can_only_seed_a_batch_gets_its_sentences_one_by_one(checkpoint):
    predictor = Predictor.from_checkpoint(checkpoint)
    module = SentenceClassifier(OwnHead()).eval()
    own = Predictor(module, predictor.body, ("bad", "good"), {})
    found = own.predict(SENTENCES)
    assert own.predict([SENTENCES[3]])[0].probability == pytest.approx(found[3].probability, abs=1e-6)
    assert len({each.probability for each in found}) == 4
    with pytest.raises(ValueError, match="OwnHead draws random numbers, but has no method `make_exact`"):
        Predictor(module, predictor.body, ("bad", "good"), {}, exact=True)


def test_an_embedding_that_stays_in_memory_stores_nothing(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setenv("QLIT_CACHE", str(tmp_path))
    Predictor.from_checkpoint(checkpoint).predict(SENTENCES)
    assert not (tmp_path / "embeddings").exists()


def test_probabilities_of_two_and_of_many_classes():
    assert probabilities_of(torch.tensor([[0.0]])).tolist() == [[0.5, 0.5]]
    two = probabilities_of(torch.tensor([[3.0, 1.0, 1.0]]))
    assert two.sum().item() == pytest.approx(1)
    assert two[0, 1] == two[0, 2] < two[0, 0]


def test_a_device_that_is_not_there_is_refused_before_the_checkpoint_is_read(tmp_path):
    with pytest.raises(ValueError, match="Torch cannot use the device 'cuda:99' here"):
        Predictor.from_checkpoint(tmp_path / "none.ckpt", device="cuda:99")
