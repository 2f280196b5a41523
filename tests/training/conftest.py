"""A body of eleven words and sixty sentences."""

import pytest
from tiny_body import make_tiny_body

from qlit.training.datamodule import SentenceDataModule


@pytest.fixture(scope="session")
def body(tmp_path_factory):
    return make_tiny_body(tmp_path_factory.mktemp("tiny") / "body")


@pytest.fixture
def data(body, tmp_path):
    """30 sentences of each of two labels: 17 train, 7 validate, 36 test."""
    rows = [f"{'good' if k % 2 else 'bad'} film {k}\t{k % 2}" for k in range(60)]
    (tmp_path / "few.tsv").write_text("\n".join(["text\tlabel", *rows]) + "\n")
    settings = {"num_per_label": 12, "train_fraction": 0.74, "batch_size": 5}
    return lambda **kwargs: SentenceDataModule(str(tmp_path / "few.tsv"), body=str(body), **{**settings, **kwargs})
