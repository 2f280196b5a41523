"""Contrastive fine-tuning of a body (the first stage of SetFit) with sentence-transformers' trainer."""

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
from qlit.data.onnx_files import refuse_training
from qlit.data.own_code import code_files


@dataclass(frozen=True)
class ContrastiveSettings:
    """Settings of a contrastive fine-tuning.

    Args:
        pairs_per_sentence: Partners with the same label for every sentence, and as many with another label; at least 1.
        num_epochs: Passes over all pairs, at least 1.
        batch_size: Pairs in a batch, at least 1.
        lr: Initial learning rate of AdamW, > 0; it decreases linearly to 0.
        seed: Seed of the pairs and their order, at least 0.

    Raises:
        ValueError: If a number is out of range.
    Source: arXiv:2209.11055 (SetFit); the defaults are SetFit's.
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
    """Draw contrastive pairs: every sentence with partners of its own label (1.0) and of other labels (0.0).

    Args:
        labels: Classes of N sentences; at least two classes, with at least two sentences per class.
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
                    "Contrastive pairs need at least two labels and two training sentences per label, but class "
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
    """Fine-tune a copy of a body so that sentences with the same label get similar embeddings; save it as a folder.

    Args:
        body: The body to start from; its folder is not changed.
        texts: Sentences of the training split, and no others.
        labels: Their classes.
        output: Folder to create. It appears only when it is complete.
        settings: Settings of the fine-tuning.
        facts: Plain values for the folder's record, in addition to the settings and the sentences' hashes.
        show_progress: Show a progress bar on stderr.
    Returns:
        Mean squared error between the cosine similarity and its target, averaged over ten parts of the training (over
        every step if there are fewer than ten); and notices about sentences that the body truncates.
    Raises:
        FileExistsError: If `output` exists.
        ValueError: If a sentence has no partner, the training diverges, or the body is an ONNX file.
    """
    if output.exists():
        raise FileExistsError(f"{output} exists already: name another folder, or remove it first.")
    refuse_training(body.name, body.path)
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
                f"Fine-tuning {body.name} diverged: its loss or its weights are not finite, so nothing is saved. "
                f"Lower the learning rate (`contrastive.lr`, here {settings.lr:g})."
            )
        model.save(str(made), create_model_card=False)
        if body.trust_remote_code:
            _copy_code(body.path, made)
        record = {"base": body.name, "contrastive": asdict(settings), "losses": losses, **(facts or {})}
        write_record(made, texts, record, before=seen_by(body))
        made.rename(output)
    return losses, notice


def _copy_code(body: Path, made: Path) -> None:
    """Copy a body's own Python files, which its settings refer to, to the same places in a new folder."""
    for file in code_files(body):
        copied = made / file.relative_to(body)
        copied.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copied)
