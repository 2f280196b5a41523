"""Temporary names: one a process, and those of killed processes are removed."""

import os
import subprocess
import sys

from qlit.runtime import part_file
from qlit.runtime.part_file import part_of


def of_another_process(target):
    """The name that another process uses, and its process id; it has ended."""
    code = "import sys; from pathlib import Path; from qlit.runtime.part_file import part_of; "
    code += "print(part_of(Path(sys.argv[1])))"
    path = {"PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code, str(target)], capture_output=True, text=True, env=path, check=True
    )
    return target.with_name(done.stdout.strip().rpartition("/")[2])


def test_each_process_has_its_own_name(tmp_path):
    target = tmp_path / "last.ckpt"
    assert part_of(target) == part_of(target)
    assert part_of(target).parent == tmp_path
    assert of_another_process(target) != part_of(target)
    assert len(part_of(tmp_path / ("x" * 255)).name) <= 255


def test_files_of_killed_processes_are_removed_and_others_stay(tmp_path, monkeypatch):
    target = tmp_path / "last.ckpt"
    left, of_older_version = of_another_process(target), tmp_path / ".last.ckpt.part"
    other_target = of_another_process(tmp_path / "best.ckpt")
    alive = tmp_path / left.name.replace(left.name.split("-")[1], str(os.getppid()))
    elsewhere = tmp_path / f".last.ckpt.00000000-{left.name.partition('-')[2]}"
    for path in (left, of_older_version, other_target, alive, elsewhere, target):
        path.touch()
    monkeypatch.setattr(part_file, "_swept", set())
    part_of(target)
    assert {*tmp_path.iterdir()} == {other_target, alive, elsewhere, target}
