"""Contrastive fine-tuning of a body before any head: SetFit's first stage, by sentence-transformers' own trainer."""

import math
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from qlit.data.body import BodyFolder, load_body, quiet
from qlit.data.fine_tuned import seen_by, write_record
from qlit.data.lengths import cut_notice, lengths_of
from qlit.data.notices import Notice
from qlit.data.own_code import code_files


@dataclass(frozen=True)
class ContrastiveSettings:
    """How a body is fine-tuned.

    Args:
        pairs_per_sentence: Partners of the same and as many of another label that each sentence is paired with.
        num_epochs: Times that all pairs are seen, at least 1.
        batch_size: Pairs of a batch, at least 1.
        lr: Learning rate of AdamW at the start, > 0; it falls to 0 linearly.
        seed: Of the pairs and their order, at least 0.

    Raises:
        ValueError: If a number is out of range.
    Source: arXiv:2209.11055 (SetFit), whose defaults these are.
    """

    pairs_per_sentence: int = 20
    num_epochs: int = 1
    batch_size: int = 16
    lr: float = 2e-5
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("pairs_per_sentence", 1), ("num_epochs", 1), ("batch_size", 1), ("seed", 0)):
            if (value := getattr(self, name)) < least:
                raise ValueError(f"`{name} >= {least}` must hold, but got {name}={value}.")
        if not 0 < self.lr < math.inf:
            raise ValueError(f"`lr > 0` must hold, but got lr={self.lr}; it must be a finite number.")


def draw_pairs(labels: Sequence[int], pairs_per_sentence: int, seed: int) -> list[tuple[int, int, float]]:
    """Pairs of sentences: each with partners of its own label (1.0) and as many of others (0.0).

    Args:
        labels: Classes of N sentences, at least two of each that occurs, and at least two classes.
        pairs_per_sentence: R; there are 2 * R * N pairs.
        seed: At least 0.
    Returns:
        (sentence, partner, similarity) in the order of the sentences; partners are drawn with replacement.
    Raises:
        ValueError: If a sentence has no partner.
    """
    classes = np.asarray(labels)
    generator = np.random.default_rng(seed)
    pairs = []
    for sentence, label in enumerate(labels):
        same = np.flatnonzero(classes == label)
        for partners, similarity in ((same[same != sentence], 1.0), (np.flatnonzero(classes != label), 0.0)):
            if not len(partners):
                raise ValueError(
                    "Contrastive pairs need at least two labels and two training sentences of each, but class "
                    f"{label} has {len(same)} of {len(classes)}: raise `num_per_label`."
                )
            chosen = generator.choice(partners, pairs_per_sentence)
            pairs += [(sentence, int(partner), similarity) for partner in chosen]
    return pairs


def fine_tune(
    body: BodyFolder,
    texts: Sequence[str],
    labels: Sequence[int],
    output: Path,
    settings: ContrastiveSettings,
    *,
    facts: dict[str, Any] | None = None,
    show_progress: bool = False,
) -> tuple[list[float], Notice | None]:
    """Train a copy of a body so that sentences of one label are similar and others are not; save it as a folder.

    Args:
        body: Where to start; its folder is only read.
        texts: Sentences of the training split, and no others.
        labels: Their classes.
        output: Folder to make; whole or not there.
        settings: How to train.
        facts: Plain values to keep in the folder's record, beside the settings and the sentences' hashes.
        show_progress: Show a bar on stderr.
    Returns:
        Mean squared error between cosine and wanted similarity, means over ten parts of the training (or over each
        step of a shorter one), in their order; and what to know of sentences that the body cuts.
    Raises:
        FileExistsError: If there is something at `output`.
        ValueError: If a sentence has no partner, or the training diverges.
    """
    if output.exists():
        raise FileExistsError(f"There is something at {output} already: name another folder, or remove it first.")
    pairs = draw_pairs(labels, settings.pairs_per_sentence, settings.seed)
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}-") as work, quiet():
        from qlit.data._contrastive_trainer import train_on_pairs

        model, made = load_body(body), Path(work) / "body"
        notice = cut_notice(body.name, {"train": lengths_of(model, texts)}, texts)
        model.train()
        losses = train_on_pairs(
            model,
            [(texts[first], texts[second], similarity) for first, second, similarity in pairs],
            Path(work) / "trainer",
            num_epochs=settings.num_epochs,
            batch_size=settings.batch_size,
            lr=settings.lr,
            seed=settings.seed,
            show_progress=show_progress,
        )
        if not all(map(math.isfinite, losses)) or not all(each.isfinite().all() for each in model.parameters()):
            raise ValueError(
                f"Fine-tuning {body.name} diverged: its loss or its weights are not finite, so nothing is kept. "
                f"Lower the learning rate (`contrastive.lr`, here {settings.lr:g})."
            )
        model.save(str(made), create_model_card=False)
        if body.trust_remote_code:
            _copy_code(body.path, made)
        told = {"base": body.name, "contrastive": asdict(settings), "losses": losses, **(facts or {})}
        write_record(made, texts, told, before=seen_by(body))
        made.rename(output)
    return losses, notice


def _copy_code(body: Path, made: Path) -> None:
    """Copy a body's Python files to their places in the folder that is made of it, which its settings name."""
    for file in code_files(body):
        copied = made / file.relative_to(body)
        copied.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copied)
