"""A real sentence transformer, small enough to make in a test: one random vector a word, averaged."""

from pathlib import Path

import torch

EMBEDDING_DIM = 8
_WORDS = ("[UNK]", "good", "bad", "film", "a", "the", "dull", "fine", "was", "it", "not", "very")


def make_tiny_body(folder: Path) -> Path:
    """Save one with 8 components to `folder`; the same vectors in every call."""
    from sentence_transformers import SentenceTransformer
    from tokenizers import Tokenizer, models, pre_tokenizers

    try:
        from sentence_transformers.sentence_transformer.modules import StaticEmbedding
    except ImportError:  # sentence-transformers 5
        from sentence_transformers.models import StaticEmbedding

    tokenizer = Tokenizer(models.WordLevel({word: k for k, word in enumerate(_WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    vectors = torch.randn(len(_WORDS), EMBEDDING_DIM, generator=torch.Generator().manual_seed(0))
    SentenceTransformer(modules=[StaticEmbedding(tokenizer, embedding_weights=vectors.numpy())], device="cpu").save(
        str(folder), create_model_card=False
    )
    return folder
