"""Progress of a training: what a terminal and what a log file show."""

import io
import re
from types import SimpleNamespace

import pytest
from rich.console import Console

from qlit.training import progress
from qlit.training.progress import _LogLines, _num_epochs, _TwoLines

SCORES = "loss 0.412, val loss 0.503, acc 0.779, best 0.805"


@pytest.fixture
def clock(monkeypatch):
    """Seconds that `time.monotonic` returns."""
    now = SimpleNamespace(s=100.0)
    monkeypatch.setattr(progress.time, "monotonic", lambda: now.s)
    return now


def test_a_log_file_gets_a_line_every_ten_seconds_and_one_at_the_end(clock, capsys):
    lines = _LogLines(Console(), 20, 100)
    for epoch in range(21, 101):
        clock.s += 0.3
        lines.show(epoch, SCORES, "CPU 9 s")
    lines.close()
    first, second, last = capsys.readouterr().err.splitlines()
    assert first == f"epoch 54 of 100: {SCORES}; 10 s, 14 s left; CPU 9 s"
    assert second.startswith("epoch 88 of 100: ")
    assert last == f"epoch 100 of 100: {SCORES}; 24 s; CPU 9 s"


def test_a_training_without_a_limit_shows_no_time_left(clock, capsys):
    lines = _LogLines(Console(), 0, None)
    clock.s += 5
    lines.show(3, SCORES, "CPU 9 s")
    lines.close()
    assert capsys.readouterr().err == f"epoch 3: {SCORES}; 5 s; CPU 9 s\n"


def test_a_terminal_of_80_columns_has_two_lines_with_the_time_left():
    screen = io.StringIO()
    lines = _TwoLines(Console(file=screen, force_terminal=True, width=80, color_system=None), 0, 2000)
    lines.show(1500, SCORES, "CPU 9 s, 1,234,567 circuits")
    lines.close()
    shown = re.sub(r"\x1b\[[?0-9]*[A-Za-z]", "", screen.getvalue()).splitlines()
    bar, scores = (next(line for line in reversed(shown) if word in line) for word in ("epoch", "loss"))
    assert bar.startswith("epoch 1,500 of 2,000 ")
    assert "left" in bar
    assert len(bar) <= 80
    assert scores.startswith(SCORES)
    assert len(scores) <= 80


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"max_epochs": 7}, 7),
        ({"max_epochs": -1}, None),
        ({"max_epochs": None, "max_steps": 25}, 3),  # ten steps per epoch
        ({"max_epochs": 2, "max_steps": 25}, 2),
        ({"max_epochs": -1, "max_steps": 25, "accumulate_grad_batches": 4}, 9),  # 3 steps per epoch
        ({"max_epochs": -1, "max_steps": 25, "num_training_batches": float("inf")}, None),
    ],
    ids=["epochs", "no-limit", "steps", "both", "accumulated", "unknown-length"],
)
def test_the_number_of_epochs_follows_from_all_limits(options, expected):
    options = {"max_steps": -1, "num_training_batches": 10, "accumulate_grad_batches": 1, **options}
    assert _num_epochs(SimpleNamespace(**options)) == expected
