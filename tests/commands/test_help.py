"""The help of every command: short, current, and printed without loading a library."""

import inspect
import subprocess
import sys

import pytest
from data.helpers import environment
from test_cli import COMMANDS

from qlit import heads
from qlit.cli import main
from qlit.commands.parsers.short_help import SECTIONS, short_help
from qlit.data.contrastive import ContrastiveSettings
from qlit.jobs.config.training_parser import training_parser

VERBS = ["run", "worker", "status", "stop", "reap", "best", "export", "report"]
NO_KEYS = {"--help-all", "--print_config", "--model.head.help", "--output", "--json", "--draw", "--no_timing"}
OF_CLASSES = {
    "contrastive": ContrastiveSettings,
    "model.head": heads.HybridHead,
    "model.head.encoder": heads.SimulatedQuantumEncoder,
    "model.head.pqc": heads.ReuploadingPQC,
    "model.head.pqc.noise": heads.GateNoise,
}


@pytest.mark.parametrize("words", [*([name] for name in COMMANDS), *(["study", verb] for verb in VERBS)], ids=" ".join)
def test_help_loads_no_library(words):
    heavy = ("torch", "lightning", "mlflow", "numpy", "jsonargparse", "transformers", "sentence_transformers", "optuna")
    code = (
        "import sys\nfrom qlit.cli import main\n"
        f"try: assert main({[*words, '--help']!r}) == 0\nexcept SystemExit as stop: assert not stop.code\n"
        f"loaded = [name for name in {heavy} if name in sys.modules]\nassert not loaded, loaded"
    )
    variables = {**environment(), "COLUMNS": "80"}
    done = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"usage: qlit {' '.join(words)} ")
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "\x1b" not in done.stdout


def test_the_list_of_commands_fits_80_columns(capsys):
    assert main(["--help"]) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80


@pytest.mark.parametrize("command", SECTIONS)
@pytest.mark.parametrize("columns", [20, 80, 300])
def test_the_short_help_fits_on_one_screen(command, columns):
    lines = short_help(command, columns).splitlines()
    assert max(map(len, lines)) <= min(max(columns, 80), 100)
    if columns >= 80:
        assert len(lines) <= 45


@pytest.mark.parametrize("command", SECTIONS)
def test_every_option_of_the_short_help_exists_and_has_this_default(command):
    parser = training_parser("fit")
    options = [option for of_section in SECTIONS[command].values() for option in of_section]
    assert len({option.name for option in options}) == len(options)
    for option in options:
        if option.name in NO_KEYS:
            continue
        name = option.name.rpartition("--")[2]
        place, _, key = name.rpartition(".")
        if place in OF_CLASSES:
            default = inspect.signature(OF_CLASSES[place]).parameters[key].default
            default = None if default is inspect.Parameter.empty else default
        else:
            assert any(action.dest == name for action in parser._actions), name
            default = parser.get_defaults().get(name)
        if option.default is not None:
            assert option.default == (str(default).lower() if isinstance(default, bool) else str(default)), name


@pytest.mark.parametrize("words", [["fit", "-h"], ["fit", "--config", "x.yaml", "--help"], ["test", "--help"]])
def test_the_short_help_is_printed_whatever_else_is_given(capsys, words):
    assert main(words) == 0
    assert capsys.readouterr() == (short_help(words[0]), "")


def test_all_options_are_behind_help_all(capsys):
    assert main(["fit", "--help-all"]) == 0
    out = capsys.readouterr().out
    assert "--trainer.gradient_clip_val" in out
    assert out.count("\n") > 300
    assert main(["jobs", "--help-all"]) == 0
    assert "--folder" in capsys.readouterr().out


def test_a_sentence_that_asks_for_help_is_a_sentence(capsys):
    assert main(["predict", "no.ckpt", "--", "--help"]) == 1
    assert "There is no checkpoint no.ckpt" in capsys.readouterr().err
