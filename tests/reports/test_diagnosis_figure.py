"""The figure of circuits with random parameters holds their numbers; how it looks was judged by eye."""

import io

import numpy as np

from qlit.circuits.expressibility import Expressibility
from qlit.circuits.random_parameters import Diagnosis, Estimate, exponential_fit
from qlit.reports.diagnosis_figure import Curves, diagnosis_figure

QUBITS = [2, 4, 6]


def rows(scale):
    return [
        Diagnosis(
            number,
            2,
            Estimate(scale * 0.1**number, scale * 0.05**number, scale * 0.2**number),
            (0.0, 2 * scale * 0.1**number),
            Expressibility(0.0, 0.0, 0.0, 0.01),
            0.02,
            Estimate(0.5, 0.4, 0.6),
            0.6,
        )
        for number in QUBITS
    ]


def test_a_figure_has_every_number_and_the_fit():
    made = rows(1.0)
    fit = exponential_fit(QUBITS, [row.gradient_variance.value for row in made])
    figure = diagnosis_figure([Curves("encoder", made, fit), Curves("pqc", rows(0.0), None)], note="seed 0")
    variance, express, entangle = figure.axes
    assert variance.get_yscale() == "log"
    mean = variance.containers[0][0]
    np.testing.assert_allclose(mean.get_ydata(), [0.1**number for number in QUBITS])
    (largest,) = [line for line in variance.lines if line.get_label() == "encoder: largest of a parameter"]
    np.testing.assert_allclose(largest.get_ydata(), [2 * 0.1**number for number in QUBITS])
    (fitted,) = [line for line in variance.lines if len(line.get_ydata()) == 50]
    np.testing.assert_allclose(fitted.get_ydata()[[0, -1]], [0.1**2, 0.1**6])
    labels = [text.get_text() for text in variance.get_legend().get_texts()]
    assert "encoder: rate 2.30 (2.30 to 2.30)" in labels
    assert {"encoder", "pqc", "uniformly random states"} == {
        text.get_text() for text in express.get_legend().get_texts()
    }
    assert any(np.allclose(line.get_ydata(), 0.6) for line in entangle.lines)
    assert "seed 0" in [text.get_text() for text in figure.texts]
    stream = io.BytesIO()
    figure.savefig(stream, format="png")
    assert stream.getvalue().startswith(b"\x89PNG")
