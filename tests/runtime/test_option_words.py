"""Overrides as words of a command line."""

import math

import pytest

from qlit.runtime.option_words import option_words


def test_configs_come_first_and_keep_their_order():
    words = option_words(["a.yaml", "b c.yaml"], {"model.lr": 0.1, "data.source": "d"})
    assert words == ["--config", "a.yaml", "--config", "b c.yaml", "--model.lr=0.1", "--data.source=d"]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("-1e-3", "-1e-3"),
        ("null", "null"),
        (None, "null"),
        (True, "true"),
        (1e-05, "1e-05"),
        (math.inf, "inf"),
        ([1, "a"], '[1, "a"]'),
        ({"class_path": "x.Y"}, '{"class_path": "x.Y"}'),
    ],
)
def test_a_text_stands_for_itself_and_other_values_are_json(value, text):
    assert option_words([], {"key": value}) == [f"--key={text}"]
