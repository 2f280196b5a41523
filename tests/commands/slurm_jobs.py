"""Jobs that tests submit to a real cluster."""

import re
from pathlib import Path

from qlit.cli import main


def submitted(folder: Path, monkeypatch, capsys, *arguments: str, slurm: str = "") -> tuple[str, Path]:
    """Submit a command in a folder; the id of the job, and its folder."""
    monkeypatch.chdir(folder)
    (folder / "slurm.yaml").write_text(slurm)
    status = main(["submit", *arguments, "--slurm", "slurm.yaml"])
    out, err = capsys.readouterr()
    assert status == 0, err
    found = re.search(r"Submitted job (\d+) \(.*\); its folder is (.*)\n", out)
    assert found is not None, out
    return found[1], Path(found[2])
