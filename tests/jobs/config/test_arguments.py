"""Positional arguments and options in any order."""

import pytest

from qlit.jobs.config.arguments import CommandParser, with_home
from qlit.runtime.errors import UsageError


@pytest.fixture
def parser():
    made = CommandParser(prog="qlit x", dash_hint="Put it after a lone --.")
    made.add_argument("first")
    made.add_argument("others", nargs="*", default=[])
    made.add_argument("-c", "--config", action="append", default=[])
    made.add_argument("--flag", action="store_true")
    return made


@pytest.mark.parametrize(
    "arguments",
    [
        ["--flag", "--config", "c", "a", "b"],
        ["a", "--config", "c", "b", "--flag"],
        ["a", "--flag", "b", "--config=c"],
        ["a", "-c", "c", "--flag", "--", "b"],
        ["a", "b", "-cc", "--flag"],
    ],
)
def test_options_may_stand_anywhere(parser, arguments):
    assert vars(parser.parse(arguments)) == {"first": "a", "others": ["b"], "config": ["c"], "flag": True}


@pytest.mark.parametrize("word", ["-half as good", "--great fun", "-", "-5 degrees", "-0.5", "- no"])
def test_words_that_are_not_options_are_positional(parser, word):
    assert parser.parse(["a", word, "--flag"]).others == [word]


def test_after_a_single_dash_dash_every_word_is_positional(parser):
    assert parser.parse(["a", "--", "--flag", "-x"]).others == ["--flag", "-x"]


def test_a_value_may_begin_with_a_dash(parser):
    assert parser.parse(["a", "--config", "-x", "--config", "- y"]).config == ["-x", "- y"]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["a", "--flg"], "there is no option --flg; did you mean '--flag'? Put it after a lone --."),
        (["a", "-zero"], "there is no option -zero. Put it after a lone --."),
        (["a", "--config"], "the option --config needs a value."),
        (["a", "--config", "--", "b"], "the option --config needs a value."),
        ([], "the following arguments are required: first. See qlit x --help."),
    ],
)
def test_an_invalid_command_line_is_one_sentence(parser, arguments, sentence):
    with pytest.raises(UsageError) as error:
        parser.parse(arguments)
    assert str(error.value) == sentence


def test_a_tilde_after_an_equals_sign_is_the_home_folder(monkeypatch):
    monkeypatch.setenv("HOME", "/home/ada")
    given = ["--data.source=~/a b", "-c=~", "~/x", "--model.lr=1", "--a=x~/y", "--", "--file=~/z"]
    assert with_home(given) == ["--data.source=/home/ada/a b", "-c=/home/ada", *given[2:]]
