"""`qlit completion`, and its bash script in a real bash."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from qlit.cli import main
from qlit.commands import COMMANDS
from qlit.commands.completion import candidates
from qlit.runtime.shipped_configs import shipped_configs


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([""], list(COMMANDS)),
        (["co"], ["compare", "completion", "config"]),
        (["fit", "--config", ""], list(shipped_configs())),
        (["fit", "-c", "quick"], ["quickstart"]),
        (["config", ""], ["list", "show", "copy", "schema"]),
        (["config", "copy", "baselines/"], ["baselines/end_to_end", *sorted(
            name for name in shipped_configs() if name.startswith("baselines/") and "end" not in name)]),
        (["study", "re"], ["reap", "report"]),
        (["completion", "z"], ["zsh"]),
        (["report", "table2", "tab"], ["table3", "table4"]),
        (["predict", "some.ckpt", ""], []),
        (["nothing", "--"], ["--help"]),
    ],
)  # fmt: skip
def test_candidates_of_a_position(words, expected):
    assert candidates(words) == expected


@pytest.mark.parametrize("command", COMMANDS)
def test_options_are_those_of_the_help(command, capsys):
    found = candidates([command, "--"])
    assert "--help" in found
    assert found == sorted(set(found))
    if command not in ("study", "submit", "describe"):
        assert main([command, "--help"]) == 0
        out = capsys.readouterr().out
        assert all(option in out for option in found if option != "--help")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_scripts_have_the_syntax_of_their_shell(shell, capsys, tmp_path):
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    assert f"qlit completion {shell} -- " in script
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    (tmp_path / "script").write_text(script)
    subprocess.run([shell, "-n", tmp_path / "script"], check=True, timeout=60)


def test_bash_completes_commands_options_and_configs(tmp_path):
    place = tmp_path / "bin"
    place.mkdir()
    program = place / "qlit"
    program.write_text(f"#!{sys.executable}\nimport sys\nfrom qlit.cli import main\nsys.exit(main())\n")
    program.chmod(0o755)
    script = """eval "$(qlit completion bash)"
    try() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=(); _qlit; echo "${COMPREPLY[*]}"; }
    try qlit descr
    try qlit fit --config quick
    try qlit fit --trainer.max
    try qlit config copy tables/
    try qlit predict some
    """
    environment = {
        **os.environ,
        "PATH": f"{place}:{os.environ['PATH']}",
        "PYTHONPATH": str(Path(__file__).parents[2] / "src"),
    }
    done = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, timeout=120)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "describe", "quickstart", "--trainer.max_epochs", "tables/table_02 tables/table_03", ""
    ]  # fmt: skip


def test_a_shell_that_is_not_known_is_refused(capsys):
    assert main(["completion", "tcsh"]) == 2
    assert "invalid choice: 'tcsh'" in capsys.readouterr().err
