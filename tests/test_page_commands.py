"""Commands of README, the tutorial and the page about QPUs: run as the pages have them, they print what is shown."""

import importlib.util
import os
from pathlib import Path
from typing import NamedTuple

import pytest

ROOT = Path(__file__).resolve().parents[1]
PAGES = ("README.md", "docs/tutorial.md", "docs/qpu.md")


def _script():
    spec = importlib.util.spec_from_file_location("page_commands", ROOT / ".ci" / "page_commands.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


pages = _script()
pytestmark = pytest.mark.timeout(1200)  # a page takes up to 80 s on two idle cores


class Ran(NamedTuple):
    text: str
    wanted: list
    results: dict
    errors: str


@pytest.fixture(scope="module", params=PAGES)
def ran(request, tmp_path_factory):
    """A page whose commands have run."""
    text = (ROOT / request.param).read_text()
    folder = tmp_path_factory.mktemp("clone")
    results = pages.run(text, folder, Path(os.environ["QLIT_CACHE"]))
    wanted = [command for command in pages.commands_of(text) if command.text not in pages.NOT_RUN]
    return Ran(text, wanted, results, (folder / "stderr.txt").read_text())


def test_every_command_succeeds(ran):
    assert ran.wanted
    failed = [command.text for command, result in ran.results.items() if result.status]
    assert not failed, ran.errors
    assert list(ran.results) == ran.wanted


def test_the_pages_show_what_the_commands_print(ran):
    if "sst2" in ran.text and not pages.SST2.is_dir():
        pytest.skip(f"SST-2, of which the outputs are, is not at {pages.SST2}")
    shown = [command for command in ran.wanted if command.output]
    different = {
        command.text: (pages.masked(command.output), pages.masked(ran.results[command].output))
        for command in shown
        if not pages.agrees(command.output, ran.results[command].output)
    }
    assert not different, "write them again: python .ci/page_commands.py PAGE"


def test_commands_that_are_not_run_stand_in_a_page():
    written = {command.text for page in PAGES for command in pages.commands_of((ROOT / page).read_text())}
    assert set(pages.NOT_RUN) <= written


PAGE = """# A page

    echo first     # a comment

```yaml
# file.yaml
key: 3
```

```console
$ cat file.yaml
key: 4
$ name=value
$ echo "$name" \\
  again
value again
```
"""


def test_commands_run_as_they_are_written(tmp_path):
    found = pages.run(PAGE, tmp_path, tmp_path)
    assert [(command.text, *result) for command, result in found.items()] == [
        ("echo first", 0, "first\n"),
        ("cat file.yaml", 0, "key: 3\n"),
        ("name=value", 0, ""),
        ('echo "$name" \\\n  again', 0, "value again\n"),
    ]


def test_a_failed_command_is_the_last_one(tmp_path):
    found = pages.run(PAGE.replace("cat file.yaml", "cat other.yaml"), tmp_path, tmp_path)
    assert [(command.text, result.status) for command, result in found.items()] == [
        ("echo first", 0),
        ("cat other.yaml", 1),
    ]


@pytest.mark.parametrize(
    ("shown", "printed", "is_same"),
    [
        ("accuracy  74.60% (70.6% to 78.2%)", "accuracy 4.1% (0% to 8.21%)", True),
        ("run 0f4aabb633393c4c95b23dec4ecb0083", "run ae27412dfd3e46d09ddb2a9897d8503f", True),
        ("first\n...\nlast\n", "first\nsecond\nthird\nlast\n", True),
        ("a is better than b", "b is better than a", False),
        ("first\nlast\n", "first\nsecond\nlast\n", False),
    ],
)
def test_outputs_are_compared_without_their_numbers(shown, printed, is_same):
    assert pages.agrees(shown, printed) is is_same
