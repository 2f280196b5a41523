"""Who may import whom (docs/layout.md), read from the source; and tests that lie where their subject lies."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from importlib import import_module
from itertools import pairwise
from pathlib import Path

import pytest
from memories import MEMORIES

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "src" / "qlit"


def _table(first_column: str) -> dict[str, list[str]]:
    """The table of docs/layout.md whose header begins with a word: rows by their first cell, second cells as lists."""
    text = (ROOT / "docs" / "layout.md").read_text(encoding="utf-8")
    (table,) = re.findall(rf"^\| {first_column} \| (?:may|rooms).*\n\|[ -|]+\n((?:\|.*\n)+)", text, re.MULTILINE)
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    return {first: [] if second == "-" else second.split(", ") for first, second in rows}


ROOMS = {room: set(others) for room, others in _table("room").items()}
LIBRARIES = {library: set(rooms) for names, rooms in _table("library").items() for library in names.split(", ")}


def imported(tree: ast.AST) -> Iterator[str]:
    """Dotted names of what a tree imports, wherever it does; `from a import b` is a.b, which may be a module."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            yield from (f"{base}.{alias.name}" for alias in node.names)


def violations(room: str, source: str) -> list[str]:
    """What a module of a room imports against the rules; modules beside the rooms import lazily alone."""
    tree = ast.parse(source)
    if room not in ROOMS:
        # Bodies of functions run when they are called; all other statements run at import.
        body = [each for node in tree.body for each in (node.orelse if _is_for_type_checkers(node) else [node])]
        eager = [node for node in body if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
        # COMMANDS is a table of texts: importing it imports no command (tests/test_cli.py).
        names = [name for node in eager for name in imported(node) if name != "qlit.commands.COMMANDS"]
        return [name for name in names if name.startswith((".", "qlit.")) and not _is_free(name)]
    wrong = []
    for name in imported(tree):
        top, _, rest = name.partition(".")
        other = rest.split(".")[0]
        if top == "qlit" and not _is_free(name) and other != room:
            is_allowed = other in ROOMS[room] and _is_public(rest.split("."))
        else:
            is_allowed = top != "" and room in LIBRARIES.get(top, {room})
        if not is_allowed:
            wrong.append(name)
    return wrong


def _is_for_type_checkers(node: ast.stmt) -> bool:
    """Whether a statement is `if TYPE_CHECKING:`, of which only `else` runs."""
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def _is_public(parts: list[str]) -> bool:
    """Whether a dotted name below qlit is listed by its room, and by each package on the way to it."""
    folder = PACKAGE
    for parent, name in pairwise(parts):
        folder /= parent
        if not folder.is_dir():
            return not name.startswith("_")  # a name of a listed module
        if name not in listed(folder):
            return False
    return True


@cache
def listed(folder: Path) -> list[str]:
    """`__all__` and `MODULES` of a package, without importing it."""
    tree = ast.parse((folder / "__init__.py").read_text(encoding="utf-8"))
    lists = [node for node in tree.body if isinstance(node, ast.Assign)]
    values = [node.value for node in lists if ast.unparse(node.targets[0]) in ("__all__", "MODULES")]
    return [name for value in values for name in ast.literal_eval(value)]


def _is_free(name: str) -> bool:
    return name in ("qlit", "qlit.__version__")


def test_every_room_has_a_rule():
    rooms = {path.name for path in PACKAGE.iterdir() if path.is_dir() and any(path.rglob("*.py"))}
    assert rooms == set(ROOMS), "a new room needs its rule here and in docs/layout.md"


@pytest.mark.parametrize(
    "folder", [init.parent for init in sorted(PACKAGE.rglob("__init__.py"))], ids=lambda path: path.name
)
def test_a_room_lists_nothing_that_is_not_there(folder):
    package = import_module(".".join(folder.relative_to(PACKAGE.parent).parts))
    for name in listed(folder):
        assert hasattr(package, name) or import_module(f"{package.__name__}.{name}")
    assert len(set(listed(folder))) == len(listed(folder))


@pytest.mark.parametrize("room", [*ROOMS, "cli.py", "__main__.py", "__init__.py"])
def test_imports_point_in_the_right_direction(room):
    files = sorted((PACKAGE / room).rglob("*.py")) if room in ROOMS else [PACKAGE / room]
    assert files
    wrong = {str(file.relative_to(PACKAGE)): violations(room, file.read_text(encoding="utf-8")) for file in files}
    if room == "__main__.py":
        assert wrong.pop("__main__.py") == ["qlit.cli.main"]  # `python -m qlit` is the command
    assert {name: found for name, found in wrong.items() if found} == {}


@pytest.mark.parametrize(
    ("room", "source", "found"),
    [
        ("circuits", "import torch", ["torch"]),
        ("circuits", "def f():\n    from torch.nn import Module", ["torch.nn.Module"]),
        ("circuits", "from qlit.engines import Engine", ["qlit.engines.Engine"]),
        ("circuits", "from qlit.circuits.circuit import Gate\nimport math, torchvision", []),
        ("engines", "import torch\nfrom qlit import __version__, circuits", []),
        ("engines", "from qlit import heads", ["qlit.heads"]),
        ("engines", "import qlit.heads.pqc as pqc", ["qlit.heads.pqc"]),
        ("engines", "from ..circuits import Circuit", ["..circuits.Circuit"]),
        ("heads", "import lightning.pytorch as pl", ["lightning.pytorch"]),
        ("heads", "from sentence_transformers import SentenceTransformer\nimport qlit", [
            "sentence_transformers.SentenceTransformer",
        ]),
        ("data", "if TYPE_CHECKING:\n    from qlit.heads import Head\nimport transformers", ["qlit.heads.Head"]),
        ("data", "from mlflow import MlflowClient\nimport optuna", ["mlflow.MlflowClient", "optuna"]),
        ("training", "import optuna", ["optuna"]),
        ("training", "import lightning, mlflow\nfrom qlit.engines import fusion", ["mlflow", "qlit.engines.fusion"]),
        ("training", "from qlit.jobs.config.options import value_of", ["qlit.jobs.config.options.value_of"]),
        ("studies", "from qlit.data import Split\nfrom qlit.tracking.kept_runs import KeptRuns", ["qlit.data.Split"]),
        ("reports", "from qlit.studies import effects\nimport qlit.commands.train", ["qlit.commands.train"]),
        ("training", "from qlit.comparisons.comparison import compare", ["qlit.comparisons.comparison.compare"]),
        ("commands", "from qlit.circuits import Circuit\nimport qlit.training.module, lightning", ["lightning"]),
        ("commands", "from qlit.heads import pqc, programs, HybridHead", ["qlit.heads.pqc"]),
        ("commands", "from qlit.training.scores import Scores, _weighted", ["qlit.training.scores._weighted"]),
        ("commands", "from qlit.training import _auroc", ["qlit.training._auroc"]),
        ("commands", "from qlit.studies.trials.journal import Journal", ["qlit.studies.trials.journal.Journal"]),
        ("studies", "from qlit.studies.trials import journal", []),
        ("commands", "from qlit.cli import main", ["qlit.cli.main"]),
        ("cli.py", "from qlit import __version__\ndef main():\n    from qlit.commands import errors", []),
        ("__init__.py", "if TYPE_CHECKING:\n    from qlit.serving.loading import load\nelse:\n    import json", []),
        ("__init__.py", "if TYPE_CHECKING:\n    import json\nelse:\n    import qlit.serving", ["qlit.serving"]),
        ("cli.py", "try:\n    from qlit.runtime import errors\nexcept ImportError: ...", ["qlit.runtime.errors"]),
    ],
)  # fmt: skip
def test_the_checker_finds_what_is_wrong_and_nothing_else(room, source, found):
    assert violations(room, source) == found


def test_tests_lie_where_their_subjects_lie():
    folders = {path.name for path in (ROOT / "tests").iterdir() if any(path.glob("test_*.py"))}
    assert folders == {*ROOMS, "docker"}  # the latter is a folder beside src


@pytest.mark.parametrize("name", MEMORIES)
def test_memories_that_tests_empty_are_there(name):
    assert isinstance(getattr(import_module(name), MEMORIES[name]), dict | set)
