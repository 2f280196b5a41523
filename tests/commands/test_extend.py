"""Every example of the pages docs/extend_*.md, trained by the command that the pages name, in a folder of a user."""

import os
import re
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest
from tiny_body import make_tiny_body, write_tiny_data

PAGES = sorted((Path(__file__).resolve().parents[2] / "docs").glob("extend_*.md"))
QLIT = Path(sys.executable).with_name("qlit")
# A tiny body with 8 features in place of the quick start's.
_BASE = """
trainer: {max_epochs: 1, accelerator: cpu}
data: {source: d.tsv, body: ./tiny, num_per_label: 8, max_test: 8}
model:
  head:
    class_path: qlit.heads.HybridHead
    init_args:
      encoder: {class_path: qlit.heads.SimulatedQuantumEncoder, init_args: {num_qubits: 6, connectivity: 1}}
      pqc: {num_qubits: 4}
"""


class Example(NamedTuple):
    title: str
    files: dict[str, str]


def _examples() -> list[Example]:
    found = []
    sections = [section for page in PAGES for section in re.split(r"^## ", page.read_text(), flags=re.MULTILINE)[1:]]
    for section in sections:
        blocks = re.findall(r"```(?:python|yaml)\n# (\S+)\n(.*?)```", section, flags=re.DOTALL)
        if blocks:
            found.append(Example(section.partition("\n")[0], dict(blocks)))
    return found


EXAMPLES = _examples()
every_example = pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.title)


@pytest.fixture
def folder(tmp_path):
    make_tiny_body(tmp_path / "tiny")
    write_tiny_data(tmp_path / "d.tsv", 40)
    (tmp_path / "base.yaml").write_text(_BASE)
    return tmp_path


def qlit(folder, *arguments):
    env = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"} | {"QLIT_CACHE": str(folder / "cache")}
    return subprocess.run([QLIT, *arguments], cwd=folder, env=env, capture_output=True, text=True, check=False)


def write(folder, example):
    for name, text in example.files.items():
        (folder / name).write_text(text.replace("384", "8"))


def test_the_pages_have_an_example_of_everything():
    assert len(EXAMPLES) == 7
    assert all("own.yaml" in example.files for example in EXAMPLES)


@every_example
def test_examples_are_short(example):
    assert all(text.count("\n") <= 30 for text in example.files.values())


@every_example
def test_an_example_trains_and_labels_sentences(folder, example):
    write(folder, example)
    done = qlit(folder, "fit", "--config", "base.yaml", "--config", "own.yaml")
    assert done.returncode == 0, done.stderr
    (checkpoint,) = folder.glob("mlruns/runs/*/best.ckpt")
    modules = [name.removesuffix(".py") for name in example.files if name.endswith(".py")]
    allow = [word for module in modules for word in ("--allow", module)]
    assert "".join(f" {word}" for word in allow) in done.stdout
    sentence = ("predict", str(checkpoint), "a good film")
    if modules and example.title in ("A PennyLane QNode", "An engine"):
        refused = qlit(folder, *sentence)
        assert refused.returncode == 1
        assert re.search(rf"names the class '{modules[0]}\.\w+', which a checkpoint may not name", refused.stderr)
        assert f"type --allow {modules[0]}" in refused.stderr
        assert refused.stderr.count("\n") == 1
    predicted = qlit(folder, *sentence, *allow)
    assert predicted.returncode == 0, predicted.stderr
