"""scikit-learn's own checks of estimators, for every kind of head."""

import pytest
from sklearn.utils.estimator_checks import check_estimator

from qlit.sklearn import HeadClassifier

ENCODER = {
    "class_path": "SimulatedQuantumEncoder",
    "init_args": {"num_qubits": 5, "connectivity": 1, "center": True, "pad_with": 0.15},
}
EXACT = {"num_qubits": 5, "measured_wires": [0, 1, 2], "shots": None}
SAMPLED = {**EXACT, "shots": 8192}

EXPECTED_FAILURES: dict[str, str] = {}
"""Checks that an estimator may fail, each with its reason: there are none."""
SKIPPED = {
    "check_array_api_input"
}  # needs SCIPY_ARRAY_API=1, and an estimator that declares to support array libraries


def hybrid(pqc):
    return {"class_path": "HybridHead", "init_args": {"encoder": ENCODER, "pqc": pqc}}


HEADS = {
    "linear": "LinearHead",
    "mlp": "MLPHead",
    "logistic_regression": "LogisticRegressionHead",
    "svc": "SVCHead",
    "exact": hybrid(EXACT),
    "sampled": hybrid(SAMPLED),
}


@pytest.mark.parametrize("kind", HEADS)
def test_the_checks_pass(kind):
    results = check_estimator(HeadClassifier(HEADS[kind]), expected_failed_checks=EXPECTED_FAILURES, on_skip=None)
    statuses = {each["check_name"]: each["status"] for each in results}
    assert len(statuses) > 40
    assert {name for name, status in statuses.items() if status != "passed"} <= SKIPPED
