"""A head and a trainer small enough for tests."""

from functools import partial

import lightning.pytorch as pl
import torch

from qlit.heads import HybridHead, ReuploadingPQC, SimulatedQuantumEncoder
from qlit.jobs.terminal import quieten


def head(num_qubits=3, num_classes=2, shots=8192, **kwargs):
    torch.manual_seed(0)
    encoder = partial(SimulatedQuantumEncoder, num_qubits=num_qubits, connectivity=1, num_layers=0, **kwargs)
    return HybridHead(encoder, ReuploadingPQC(2, num_reuploads=1, shots=shots), num_classes=num_classes)


def trainer(**kwargs):
    quieten()
    off = ("logger", "enable_checkpointing", "enable_progress_bar", "enable_model_summary", "num_sanity_val_steps")
    settings = {**dict.fromkeys(off, False), "max_epochs": 2, **kwargs}
    return pl.Trainer(accelerator="cpu", **settings)
