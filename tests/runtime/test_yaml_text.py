"""YAML that a person gives: right texts are read as PyYAML reads them, others are refused before they cost anything."""

import os
import time

import pytest
import yaml

from qlit.runtime.yaml_text import MAX_BYTES, MAX_DEPTH, YamlTextError, load_yaml, read_yaml, shortened

_LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 9)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[" * 100_000, f"more than {MAX_DEPTH} nested levels, in line 1"),
        ("a: '" + "[" * 1000 + "'", "In the text, a is too long or too deep, in line 1"),
        ("x: 1\na: " + "b" * 30_000, "In the text, a is too long or too deep, in line 2"),
        (_LAUGHS, "more than 50,000 values, counting those of aliases, in line 5"),
        ("a: &a [*a]", "In the text, [*]a in line 1 is inside the value it names"),
        ("a: &a {<<: *a}", "is inside the value it names"),
        ("a: 1\nb: 2\n'a': 3", "In the text, the key 'a' is given twice, in lines 1 and 3; keep one"),
        ("a: {b: 1, c: 2, b: 3}", "the key 'b' is given twice"),
        ('{"a": [{"b": 1, "b": 2}]}', "the key 'b' is given twice"),
        ('a: {b: "x\\0y"}', "In the text, a.b has a NUL character, in line 1"),
        ("a: 1\n---\nb: 2", "several documents .* in line 2"),
        ("a: [1", "is not YAML: did not find expected .* in line 2"),
        ("a: b\n\tc: d", "is not YAML: .* in line"),
        ("a: *b", "is not YAML: found undefined alias"),
        ("a: !!python/object/apply:os.system [x]", "is not YAML: could not determine a constructor"),
        ("? [a]\n: b", "is not YAML: found unhashable key"),
        ("a: \x01", "is not YAML"),
        ("a: !!int x", "does not match its tag or its form: invalid literal"),
        ("a: 2024-13-41", "does not match its tag or its form: month must be in"),
        ("a: {b: [" + "9" * 5000 + "]}", "In the text, a.b has more than 100 digits, in line 1"),
        ("a: 2024-01-01", "a value of type date, 2024-01-01; if it is a text, quote it"),
        ("a: !!binary aGk=", "a value of type bytes"),
    ],
    ids=range(22),
)
def test_what_would_cost_or_lose_something_is_refused_in_one_short_sentence(text, sentence):
    began = time.process_time()
    with pytest.raises(YamlTextError, match=sentence) as error:
        load_yaml(text, "the text")
    assert time.process_time() - began < 2
    assert len(str(error.value)) < 200
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "text",
    [
        "", "~", "a", "1e-3", "on", "1:30", "0o17", ".inf", "[1, 2.5, null, yes, 'x']", "{a: 1, b: {a: 2}}",
        "a: &a {x: 1}\nb: {<<: *a, x: 2}\nc: [*a, *a]", "base: &b [1]\nb: *b", "'1': 1", "# nothing\n",
        "[" * MAX_DEPTH + "]" * MAX_DEPTH, "a: " + "b" * 20_000, "\ufeffa: 1",
    ],
    ids=range(17),
)  # fmt: skip
def test_right_texts_mean_what_they_always_meant(text):
    assert load_yaml(text, "the text") == yaml.safe_load(text)


def test_a_file_is_read_as_utf_8_and_within_bounds(tmp_path):
    def refused(content: bytes, sentence: str) -> None:
        (tmp_path / "a.yaml").write_bytes(content)
        with pytest.raises(YamlTextError, match=sentence):
            read_yaml(tmp_path / "a.yaml", "the file a.yaml")

    refused("a: é".encode("latin-1"), r"the file a.yaml is not UTF-8 text \(byte 3\)")
    refused("a: 1".encode("utf-16"), "is not UTF-8 text")
    refused(b"a: \0", "has a NUL character")
    refused(b"a: 1\n" * (MAX_BYTES // 5 + 1), "is larger than 1 MiB")
    (tmp_path / "a.yaml").write_bytes("\ufeffa: é".encode())
    assert read_yaml(tmp_path / "a.yaml", "a") == {"a": "é"}


def test_what_is_no_file_is_refused_and_a_pipe_is_read(tmp_path):
    with pytest.raises(YamlTextError, match="is a folder, not a file"):
        read_yaml(tmp_path, "it")
    with pytest.raises(YamlTextError, match="is a device, not a file"):
        read_yaml("/dev/zero", "it")
    os.mkfifo(tmp_path / "unused")
    assert read_yaml(tmp_path / "unused", "it") is None
    reading, writing = os.pipe()
    os.write(writing, b"a: 1")
    os.close(writing)
    assert read_yaml(f"/dev/fd/{reading}", "it") == {"a": 1}
    os.close(reading)


def test_a_long_text_is_shortened_in_its_middle():
    assert shortened("a\n b") == "a b"
    assert shortened("x" * 60) == "x" * 60
    assert shortened("x" * 10**6) == "x" * 38 + "..." + "x" * 19
