"""Quiet wrapper of sentence-transformers' trainer. Importing it loads torch and transformers."""

from pathlib import Path
from typing import Any

from datasets import Dataset
from sentence_transformers import SentenceTransformer, SentenceTransformerTrainer, SentenceTransformerTrainingArguments
from tqdm import tqdm
from transformers.trainer_callback import PrinterCallback, TrainerCallback

try:
    from sentence_transformers.sentence_transformer.losses import CosineSimilarityLoss
except ImportError:  # sentence-transformers 5
    from sentence_transformers.losses import CosineSimilarityLoss


class _Trainer(SentenceTransformerTrainer):  # type: ignore[misc]
    def add_model_card_callback(self, default_args_dict: dict[str, Any]) -> None:
        """Skip the model card, because it would show examples of the training sentences."""


class _Bar(TrainerCallback):  # type: ignore[misc]
    """One progress bar over all steps, on stderr."""

    def on_train_begin(self, _args: Any, state: Any, _control: Any, **_: Any) -> None:
        self.bar = tqdm(total=state.max_steps, desc="contrastive fine-tuning", unit="step", mininterval=1.0)

    def on_step_end(self, _args: Any, _state: Any, _control: Any, **_: Any) -> None:
        self.bar.update()

    def on_train_end(self, _args: Any, _state: Any, _control: Any, **_: Any) -> None:
        self.bar.close()


def train_on_pairs(
    model: SentenceTransformer,
    pairs: list[tuple[str, str, float]],
    work: Path,
    *,
    num_epochs: int,
    batch_size: int,
    lr: float,
    seed: int,
    show_progress: bool,
) -> list[float]:
    """Train a model in place on pairs of sentences and their target similarity.

    Args:
        model: The model, in training mode.
        pairs: Two sentences and their target cosine similarity.
        work: Folder for the trainer's own files.
        num_epochs, batch_size, lr, seed: As in `ContrastiveSettings`.
        show_progress: Show a progress bar on stderr.
    Returns:
        The loss at every logging step, as described in `fine_tune`.
    """
    first, second, similarity = zip(*pairs, strict=True)
    num_steps = num_epochs * -(-len(pairs) // batch_size)
    arguments = SentenceTransformerTrainingArguments(
        output_dir=str(work),
        num_train_epochs=num_epochs,
        per_device_train_batch_size=batch_size,
        learning_rate=lr,
        seed=seed,
        logging_steps=max(1, num_steps // 10),
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        logging_nan_inf_filter=False,  # the default would hide a NaN loss behind the mean of the other losses
    )
    dataset = Dataset.from_dict({"sentence1": first, "sentence2": second, "label": similarity})
    trainer = _Trainer(model=model, args=arguments, train_dataset=dataset, loss=CosineSimilarityLoss(model))
    trainer.remove_callback(PrinterCallback)
    if show_progress:
        trainer.add_callback(_Bar())
    trainer.train()
    return [float(entry["loss"]) for entry in trainer.state.log_history if "loss" in entry]
