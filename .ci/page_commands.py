"""Commands of the pages: read them, run them in a fresh folder, and write what they print into the page.

    python .ci/page_commands.py docs/tutorial.md        # run the page, and write the outputs again

The commands of a page are the lines of its indented blocks, and those that begin with `$ ` in its ```console blocks,
each followed by its output. A ```yaml or ```python block whose first line is `# NAME` is the file NAME. All commands of
a page run in one bash, in a copy of the repository whose `.venv` is the environment of this interpreter.
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
SST2 = ROOT.parent / "shared" / "data" / "sst2"
NOT_RUN = {
    "make test": "the test suite is what runs the pages",
    "make ui": "a server that runs until Ctrl-C, on a port that may be in use",
    "hf download SetFit/sst2 --repo-type dataset --local-dir sst2": "needs the Hugging Face hub; the folder is there",
}
"""Commands that are not run, as they stand in the pages, with the reason."""
_COPIED = ("configs", "src", "Makefile", "pyproject.toml", "constraints.txt", "README.md")
_FENCED = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_MARK = "\x1e"


class Command(NamedTuple):
    """A command of a page, and the output that the page shows below it."""

    text: str
    output: str


class Result(NamedTuple):
    """What a command that ran left: exit status and standard output."""

    status: int
    output: str


def commands_of(page: str) -> list[Command]:
    """The commands of a page in their order."""
    found = []
    end = 0
    for fence in _FENCED.finditer(page):
        found += _indented(page[end : fence.start()])
        if fence[1] == "console":
            found += _in_console(fence[2])
        end = fence.end()
    return found + _indented(page[end:])


def files_of(page: str) -> dict[str, str]:
    """The files of a page, by their names."""
    blocks = [fence[2] for fence in _FENCED.finditer(page) if fence[1] in ("python", "yaml")]
    return {
        name[2:]: text for name, _, text in (block.partition("\n") for block in blocks) if re.match(r"# \S+$", name)
    }


def run(page: str, folder: Path, cache: Path) -> dict[Command, Result]:
    """Run the commands of a page in an empty folder; those after a failed one are left out."""
    _fill(folder, page)
    wanted = [command for command in commands_of(page) if command.text not in NOT_RUN]
    lines = [f"{command.text}\nstatus=$?; printf '{_MARK}%d\\n' $status; (exit $status) || exit" for command in wanted]
    with (folder / "stderr.txt").open("w") as errors:
        done = subprocess.run(
            ["bash", "-c", "\n".join(lines)], cwd=folder, env=_environment(folder, cache), text=True, check=False,
            stdout=subprocess.PIPE, stderr=errors, stdin=subprocess.DEVNULL,
        )  # fmt: skip
    parts = re.findall(rf"(.*?){_MARK}(\d+)\n", done.stdout, flags=re.DOTALL)
    return {
        command: Result(int(status), output.replace(str(folder.resolve()), "~/qlit").replace(str(ROOT), "~/qlit"))
        for command, (output, status) in zip(wanted, parts, strict=False)
    }


def masked(output: str) -> str:
    """An output without what differs between two runs: ids, numbers and the widths of columns."""
    without_ids = re.sub(r"\b[0-9a-f]{16,}\b", "ID", output)
    without_numbers = re.sub(r"[-+]?\b\d[\d,.]*(e[-+]?\d+)?", "N", without_ids)
    return re.sub(r"-{2,}", "-", re.sub(r"\s+", " ", without_numbers)).strip()


def agrees(shown: str, output: str) -> bool:
    """Whether a page shows an output of this form; a line `...` in the page stands for any lines."""
    pattern = ".*".join(re.escape(masked(part)) for part in re.split(r"^\.\.\.$", shown, flags=re.MULTILINE))
    return re.fullmatch(pattern, masked(output)) is not None


def _indented(text: str) -> list[Command]:
    """Commands of the indented blocks of a text; a comment after a command is left out."""
    return [Command(re.sub(r"\s+# .*", "", line), "") for line in re.findall(r"^    (\S.*)$", text, flags=re.MULTILINE)]


def _in_console(block: str) -> list[Command]:
    """Commands of a ```console block, with their outputs."""
    parts = re.findall(r"^\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)", block, flags=re.MULTILINE)
    return [Command(text, output) for text, output in parts]


def _fill(folder: Path, page: str) -> None:
    """Make the folder a clone with its environment, data and the files of the page."""
    for name in _COPIED:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, folder / name)
    (folder / ".venv").symlink_to(sys.prefix)
    # The environment is that of the tests, however it was made: make must not make it again.
    (folder / "bin").mkdir()
    (folder / "bin" / "make").write_text(
        f'#!/bin/sh\nexec {shutil.which("make")} --old-file .venv/installed --old-file .venv/installed-dev "$@"\n'
    )
    (folder / "bin" / "make").chmod(0o755)
    for name, text in files_of(page).items():
        (folder / name).write_text(text)
    if SST2.is_dir():
        (folder / "sst2").symlink_to(SST2)
    else:
        (folder / "sst2").mkdir()
        shutil.copy(ROOT / "src" / "qlit" / "data" / "sample.tsv", folder / "sst2" / "train.tsv")


def _environment(folder: Path, cache: Path) -> dict[str, str]:
    """Environment of a new terminal."""
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "PYTHONPATH", "QLIT_"))
    }
    return kept | {"PATH": f"{folder / 'bin'}:{os.environ['PATH']}", "QLIT_CACHE": str(cache)}


def _rewritten(page: str, results: dict[Command, Result]) -> str:
    """The page with the outputs of its commands; an output with a line `...` stays."""

    def block(fence: re.Match[str]) -> str:
        if fence[1] != "console":
            return fence[0]
        shown = [
            f"$ {command.text}\n"
            + (
                results[command].output
                if command in results and "\n...\n" not in f"\n{command.output}"
                else command.output
            )
            for command in _in_console(fence[2])
        ]
        return f"```console\n{''.join(shown)}```"

    return _FENCED.sub(block, page)


def main() -> None:
    """Run a page and write its outputs."""
    path = Path(sys.argv[1])
    page = path.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        results = run(page, Path(folder), Path(folder) / "cache")
        failed = [command.text for command, result in results.items() if result.status]
        if failed:
            sys.exit(f"{failed[0]}\n{(Path(folder) / 'stderr.txt').read_text()}")
        for name in sys.argv[2:]:  # pictures that the page shows
            shutil.copy(Path(folder) / name, ROOT / "docs" / "figures" / name)
    path.write_text(_rewritten(page, results), encoding="utf-8")


if __name__ == "__main__":
    main()
