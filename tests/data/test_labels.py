"""Labels matched by the names that a checkpoint knows."""

from pathlib import Path

import pytest

from qlit.data import load_texts

ROWS = [("one", "b"), ("two", "a"), ("three", "c"), ("four", "b")]


def written(path: Path, rows: list[tuple[str, str]]) -> str:
    path.write_text("text\tlabel\n" + "".join(f"{text}\t{label}\n" for text, label in rows))
    return str(path)


def test_labels_get_the_numbers_of_the_checkpoint(tmp_path: Path) -> None:
    source = written(tmp_path / "d.tsv", ROWS)
    assert load_texts(source).labels == (1, 0, 2, 1)
    found = load_texts(source, label_names=("c", "b", "a"))
    assert (found.labels, found.label_names) == ((1, 2, 0, 1), ("c", "b", "a"))


def test_some_of_the_labels_are_enough(tmp_path: Path) -> None:
    names = ("a", "b", "c")
    two = load_texts(written(tmp_path / "two.tsv", ROWS[2:]), label_names=names)
    assert (two.labels, two.label_names) == ((2, 1), names)  # sorted by themselves, they would be 1 and 0
    one = load_texts(written(tmp_path / "one.tsv", ROWS[2:3]), label_names=names)
    assert (one.labels, one.label_names) == ((2,), names)
    with pytest.raises(ValueError, match=r"one\.tsv has only one label, 'c'"):
        load_texts(str(tmp_path / "one.tsv"))


def test_whole_numbers_are_matched_as_they_are_written(tmp_path: Path) -> None:
    source = written(tmp_path / "d.tsv", [("one", "10"), ("two", "9"), ("three", "10")])
    assert load_texts(source, label_names=("2", "9", "10")).labels == (2, 1, 2)


def test_unknown_labels_are_refused_with_both_lists(tmp_path: Path) -> None:
    source = written(tmp_path / "d.tsv", ROWS)
    with pytest.raises(
        ValueError, match=r"d\.tsv has a label that the checkpoint does not know, 'c'; .* on 'a', 'b'\."
    ):
        load_texts(source, label_names=("a", "b"))
    many = [f"class {k}" for k in range(90)]
    source = written(tmp_path / "many.tsv", [(name, name) for name in many])
    with pytest.raises(
        ValueError, match=r"labels that .* 'class 0', .* and 85 more; .* on '0', '1'\. Labels are"
    ) as it:
        load_texts(source, label_names=("0", "1"))
    assert len(str(it.value)) < 350
