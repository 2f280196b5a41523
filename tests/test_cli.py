"""The `qlit` command before any command is loaded."""

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest
from data.helpers import environment

import qlit
from qlit.cli import main
from qlit.runtime.checkout import checkout_of, version_that_runs

COMMANDS = [
    *("fit", "validate", "test", "predict", "serve", "register", "finetune"),
    *(
        "compare",
        "table",
        "export",
        "study",
        "circuit",
        "energy",
        "dimension",
        "report",
        "info",
        "completion",
        "config",
        "submit",
        "jobs",
        "reap",
        "sync",
        "describe",
    ),
]


@pytest.mark.parametrize("arguments", [["--help"], ["-h"], ["help"]])
def test_help_names_every_command(capsys, arguments):
    assert main(arguments) == 0
    out, err = capsys.readouterr()
    assert err == ""
    assert out.startswith(f"qlit {qlit.__version__.partition('+')[0]}: ")
    _, _, listed = out.partition("\n\n  ")
    lines = [line.split() for line in listed.partition("\n\n")[0].splitlines()]
    assert [name for name, *_ in lines] == COMMANDS
    assert all(len(description) > 1 for _, *description in lines)


@pytest.mark.parametrize("arguments", [["--version"], ["-V"]])
def test_the_version_and_commit_that_run(capsys, arguments):
    running = version_that_runs(qlit.__version__, checkout_of(Path(qlit.__file__).parent))
    assert main(arguments) == 0
    assert capsys.readouterr() == (f"qlit {running}\n", "")


def test_the_version_of_the_installation_is_looked_up_when_somebody_asks_for_it():
    if not entry_points(group="console_scripts", name="qlit"):
        pytest.skip("qlit is not installed")
    code = """if True:
        import sys, qlit
        assert "importlib.metadata" not in sys.modules
        from importlib.metadata import version
        assert qlit.__version__ == version("qlit-heads")
        sys.path = [path for path in sys.path if "site-packages" not in path]
        del qlit.__version__
        assert qlit.__version__ == "0.0"
        assert not hasattr(qlit, "version")
    """
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_without_a_command_the_help_is_shown_and_the_status_is_2(capsys):
    assert main([]) == 2
    assert "usage: qlit COMMAND" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("word", "hint"),
    [("fitt", "; did you mean 'fit'?"), ("descibe", "; did you mean 'describe'?"), ("zzz", ".")],
)
def test_an_unknown_command_is_named_with_the_nearest_one(capsys, word, hint):
    assert main([word, "--config", "x"]) == 2
    assert capsys.readouterr() == ("", f"qlit: there is no command '{word}'{hint} See qlit --help.\n")


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["fitt"], []])
def test_nothing_heavy_is_imported_before_a_command_is_known(arguments):
    heavy = ("torch", "lightning", "mlflow", "numpy", "jsonargparse", "transformers", "sentence_transformers")
    code = f"import sys; from qlit.cli import main; main({arguments!r})\nassert 'qlit.cli' in sys.modules\n" + (
        f"loaded = [name for name in {heavy} if name in sys.modules]\nassert not loaded, loaded"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_python_m_qlit_is_the_command_and_its_status():
    done = subprocess.run([sys.executable, "-m", "qlit", "fitt"], env=environment(), capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.startswith("qlit: there is no command 'fitt'")


def test_an_installed_package_has_the_command():
    """Where the package runs from its checkout, there is nothing installed to look at."""
    installed = entry_points(group="console_scripts", name="qlit")
    if not installed:
        pytest.skip("qlit is not installed")
    assert {entry.load() for entry in installed} == {main}
