"""`--allow` on a command line."""

import pytest

from qlit.runtime.allowed import allow_options, allowed_names, allowing, is_allowed, split_allowed
from qlit.runtime.errors import UsageError


def test_names_are_taken_out_of_the_command_line():
    words = ["best.ckpt", "--allow", "my_heads", "a film", "--allow=other.Head", "--", "--allow", "said"]
    assert split_allowed(words) == (["best.ckpt", "a film", "--", "--allow", "said"], ("my_heads", "other.Head"))
    assert split_allowed(["a film"]) == (["a film"], ())


@pytest.mark.parametrize(
    "words", [["--allow"], ["--allow", "--body"], ["--allow="], ["--allow", "*"], ["--allow", "a/b"]]
)
def test_what_is_no_name_is_refused(words):
    with pytest.raises(UsageError, match="--allow needs a module or a class"):
        split_allowed(words)


def test_a_name_stands_for_itself_and_what_lies_in_it():
    with allowing(["my_heads"]):
        assert is_allowed("my_heads")
        assert is_allowed("my_heads.small.Head")
        assert not is_allowed("my_heads_too.Head")
        assert not is_allowed("your.my_heads")
        assert allow_options() == ["--allow", "my_heads"]
    assert allowed_names() == ()
    assert not is_allowed("my_heads")
