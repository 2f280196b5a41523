"""Model card of a saved model: data, split, scores, circuit and use, as Markdown with the hub's metadata."""

from collections.abc import Mapping
from typing import Any

import torch
import yaml

from qlit.heads import EstimatorHead
from qlit.jobs.estimates.circuits import circuits_of
from qlit.runtime.intervals import wilson_interval
from qlit.serving.predictor import Predictor

_NAMES = {
    "accuracy": "accuracy",
    "auroc": "area under the ROC curve",
    "f1": "F1",
    "calibration_error": "calibration error",
}
_EXAMPLES = ('["What a lovely evening this was."]', '[("How old are you?", "What is your age?")]')
"""Sentences to label, and pairs."""


def model_card(predictor: Predictor, config: Mapping[str, Any], scores: Mapping[str, float] | None = None) -> str:
    """The card.

    Args:
        predictor: The model.
        config: Content of its config.json.
        scores: Further scores by name, such as {"test/accuracy": 0.83}, each in [0, 1]; None for the validation scores
            that the checkpoint contains.
    """
    metadata = {
        "library_name": "qlit",
        "pipeline_tag": "text-classification",
        "tags": ["qlit", "quantum-machine-learning", "sentence-transformers"],
    }
    if config["data"]["body"].count("/") == 1:  # a model on the hub
        metadata["base_model"] = config["data"]["body"]
    head = type(predictor.module.head).__name__
    split, note = config["split_fingerprint"] or "unknown", str(predictor.notes.get("note") or "")
    data = f"Data set: {config['dataset']}. Split: {split} (fingerprint of its sentences and labels)."
    if note:
        data += f" Note: {note}."
    sections = [
        f"---\n{yaml.safe_dump(metadata, sort_keys=False)}---",
        f"# {head} on {config['data']['body']}",
        f"A classification head on sentence embeddings with {_num_parameters(predictor):,} trained parameters. It "
        f"gives the labels {', '.join(predictor.label_names)}.",
        f"## Data\n\n{data}",
        f"## Scores\n\n{_scores(predictor.notes, scores or {})}",
        *_circuits(predictor),
        "## Use\n\n```python\nimport qlit\n\n"
        'model = qlit.load("OWNER/NAME")  # or a folder\n'
        f"model.predict({_EXAMPLES[predictor.are_pairs]})\n```",
    ]
    return "\n\n".join(sections) + "\n"


def _num_parameters(predictor: Predictor) -> int:
    """Numbers that the training found: weights, or those of a head that is fitted once."""
    head = predictor.module.head
    if isinstance(head, EstimatorHead):
        return head.num_parameters or 0
    return sum(each.numel() for each in predictor.module.parameters() if each.requires_grad)


def _scores(notes: Mapping[str, Any], given: Mapping[str, float]) -> str:
    found = notes.get("validation") or {}
    kept = {name: value for name, value in (found.get("scores") or {}).items() if name.rpartition("/")[2] in _NAMES}
    rows = []
    for name, value in {**kept, **given}.items():
        part, _, score = name.rpartition("/")
        interval = ""
        if name == "val/accuracy" and found.get("num_seen"):
            low, high = wilson_interval(value, found["num_seen"])
            interval = f" (95 % interval {low:.3f} to {high:.3f}, {found['num_seen']:,} sentences)"
        of = {"val": "validation", "test": "test"}.get(part, part)
        rows.append(f"| {of} {_NAMES.get(score, score)} | {value:.3f}{interval} |")
    return "\n".join(["| score | value |", "| --- | --- |", *rows]) if rows else "The checkpoint contains no scores."


def _circuits(predictor: Predictor) -> list[str]:
    found = circuits_of(predictor.module.head, torch.device("cpu"))
    if not found:
        return []
    rows = []
    for name, each in found.items():
        circuit = each.circuit
        counts = f"{circuit.num_qubits} | {circuit.num_one_qubit_gates} | {circuit.num_two_qubit_gates}"
        rows.append(f"| {name} | {counts} |")
    table = ["| circuit | qubits | one-qubit gates | two-qubit gates |", "| --- | --- | --- | --- |", *rows]
    return ["## Circuits\n\n" + "\n".join(table)]
