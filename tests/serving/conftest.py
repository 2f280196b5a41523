"""Checkpoints as `qlit fit` saves them, with a body of eleven words."""

import pytest
import torch
import yaml
from checkpoint_models import model_of_config

from qlit.data import resolve_body
from qlit.data.trainable import TrainableBody

ENCODER = {
    "class_path": "qlit.heads.SimulatedQuantumEncoder",
    "init_args": {"num_qubits": 3, "connectivity": 1, "num_layers": 0, "init_std": 1.0},
}
PQC = {"num_qubits": 2, "num_reuploads": 1, "init_std": 1.0}


@pytest.fixture(scope="session")
def save_checkpoint(body, tmp_path_factory):
    """Save a checkpoint; return its path."""
    folder = tmp_path_factory.mktemp("checkpoints")

    def save(name, labels=("bad", "good"), *, trainable_body=False, head="qlit.heads.HybridHead", **changes):
        torch.manual_seed(0)
        arguments = {"num_classes": len(labels), **changes}
        if head == "qlit.heads.HybridHead":
            arguments = {"encoder": ENCODER, "pqc": PQC, **arguments}
        model = {"head": {"class_path": head, "init_args": arguments}}
        config = yaml.safe_dump({"model": model, "data": {"body": str(body), "trainable_body": trainable_body}})
        module, _ = model_of_config(config)
        if trainable_body:
            module.body = TrainableBody(resolve_body(str(body)))
        validation = {"epoch": 3, "position": 3, "step": 8, "num_seen": 40}
        scores = {"val/accuracy": 0.75, "val/auroc": 0.8, "val/selection": 0.7}
        notes = {
            "config": config, "label_names": list(labels), "dataset": "few", "note": "a few films", "run_id": None,
            "history": {}, "split_fingerprint": "0123456789abcdef", "validation": {**validation, "scores": scores},
            "sentences": {"trained": "secret" * 8, "validated": "", "digest": "x"},
        }  # fmt: skip
        path = folder / f"{name}.ckpt"
        torch.save({"state_dict": module.state_dict(), "qlit": notes, "epoch": 3}, path)
        return path

    return save


@pytest.fixture(scope="session")
def checkpoint(save_checkpoint):
    """A checkpoint of two labels whose PQC is sampled."""
    return save_checkpoint("two")
