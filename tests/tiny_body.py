"""A real sentence transformer, small enough to make in a test: one random vector a word, averaged."""

import json
import random
from pathlib import Path

import torch

EMBEDDING_DIM = 8
_WORDS = ("[UNK]", "good", "bad", "film", "a", "the", "dull", "fine", "was", "it", "not", "very")


def make_tiny_body(folder: Path, seed: int = 0, *, unknown_is_zero: bool = False) -> Path:
    """Save one with 8 components to `folder`; its vectors depend on the seed alone."""
    from sentence_transformers import SentenceTransformer
    from tokenizers import Tokenizer, models, pre_tokenizers

    try:
        from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    except ImportError:  # sentence-transformers 5
        from sentence_transformers.models import StaticEmbedding

    tokenizer = Tokenizer(models.WordLevel({word: k for k, word in enumerate(_WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    vectors = torch.randn(len(_WORDS), EMBEDDING_DIM, generator=torch.Generator().manual_seed(seed))
    if unknown_is_zero:
        vectors[0] = 0
    SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_weights=vectors.numpy())], device="cpu").save(
        str(folder), create_model_card=False
    )
    return folder


def write_tiny_data(file: Path, num_rows: int) -> Path:
    """Write a table of distinct sentences of the tiny body's words, half of them of label 0 and half of 1."""
    draw, rows = random.Random(0), dict[str, int]()
    while len(rows) < num_rows:
        rows.setdefault(" ".join(draw.choices(_WORDS[1:], k=5)), len(rows) % 2)
    file.write_text("text\tlabel\n" + "".join(f"{text}\t{label}\n" for text, label in rows.items()))
    return file


def add_own_code(folder: Path, *, factor: float = 2.0) -> Path:
    """Give a body a last module in a Python file beside it, which scales embeddings; it leaves a file that tells."""
    (folder / "scaling.py").write_text(
        "from pathlib import Path\nfrom torch import nn\n"
        f"Path({str(folder.parent / 'code-was-run')!r}).touch()\n"
        "class Scaling(nn.Module):\n"
        "    def forward(self, features):\n"
        f"        return {{**features, 'sentence_embedding': {factor} * features['sentence_embedding']}}\n"
        "    def save(self, *args, **options): pass\n"
        "    @classmethod\n"
        "    def load(cls, *args, **options): return cls()\n"
    )
    modules = json.loads((folder / "modules.json").read_text())
    modules.append({"idx": len(modules), "name": "scaling", "path": "", "type": "scaling.Scaling"})
    (folder / "modules.json").write_text(json.dumps(modules))
    return folder
