"""Figures of arXiv:2504.08732 that tests compare with: parameters of Tables II and III, row by row."""

import json
from pathlib import Path

import pytest

_SHARED = Path(__file__).resolve().parents[2] / "shared/reference/published.json"

PARAMETERS = (
    *({"model": "single_sqe", "qubits": q, "parameters": p} for q, p in ((10, 353), (12, 423), (14, 493), (18, 633))),
    *(
        {"model": "multi_sqe", "encoders": 2, "qubits": q, "parameters": p}
        for q, p in ((10, 858), (14, 886), (18, 914))
    ),
    {"model": "logistic_regression", "parameters": 769},
    *(
        {"model": "nn_head", "hidden_layers": int(h > 0), "hidden_dim": h, "parameters": p}
        for h, p in ((0, 1538), (48, 37010), (96, 74018), (144, 111026), (192, 148034))
    ),
    *(
        {"model": "nn_encoder", "qubits": 14, "hidden_layers": int(h > 0), "hidden_dim": h, "parameters": p}
        for h, p in ((0, 10866), (48, 37698), (96, 75282), (144, 112866), (192, 150450))
    ),
)
"""Parameters by row. Those of the SVC, its support vectors, are results of fits rather than of the model."""


ENERGY = {
    "crossover_qubits": 46, "R": 4, "M": 2, "N": 1, "C": 1, "shots": 8000,
    "qpu_watt_per_qubit": 300, "gpu_watt": 700, "t_1q_s": 1e-4, "t_2q_s": 1e-5, "gpu_flops": 3.4e13,
}  # fmt: skip
"""Constants of the energy estimate, Table V, and the crossing of Fig. 5."""


def row_name(row: dict) -> str:
    """A row as the id of a test."""
    return "-".join(str(value) for value in row.values())


def published_file() -> dict:
    """All published figures from the file beside the repository; a test without it is skipped."""
    if not _SHARED.is_file():
        pytest.skip(f"the published figures are not at {_SHARED}")
    return json.loads(_SHARED.read_text())
