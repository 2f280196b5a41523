"""Submit a command as a Slurm job: write the folder of the job, and pass its script to sbatch."""

import json
import os
import re
import secrets
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from qlit.jobs.slurm.script import Command, job_script
from qlit.jobs.slurm.settings import SlurmSettings
from qlit.runtime.secrets import has_credentials, scrub_command
from qlit.tracking import provenance

SCRIPT, RECORD = "job.sh", "job.json"
"""Files in the folder of a job: its script; its id, command, settings, and the code and environment that submitted."""

_VARIABLES = ("VIRTUAL_ENV", "CONDA_PREFIX", "LOADEDMODULES", "CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS")


@dataclass(frozen=True)
class Submission:
    """A job that is ready to be submitted.

    Args:
        name: Name of the job.
        command: What it runs.
        settings: What it asks the cluster for.
        folder: Its folder, an absolute path that does not exist yet.
        files: Texts to store in the folder, by file name: resolved configs and a study's file.
    """

    name: str
    command: Command
    settings: SlurmSettings
    folder: Path
    files: Mapping[str, str]

    @property
    def script(self) -> str:
        """The job script.

        Raises:
            ValueError: If it would contain a password or a token.
        """
        words = self.command.words
        if has_credentials(text := " ".join(words)) or scrub_command(words).count("***") > text.count("***"):
            raise ValueError(
                "The command contains a password or a token, which job scripts do not store: give it in the "
                "environment, which Slurm hands to the job (docs/runs.md names the variables)."
            )
        return job_script(self.command, self.settings, self.folder, self.name)


def folder_of(settings: SlurmSettings, name: str) -> Path:
    """A new name for the folder of a job: its name, the time, and four characters."""
    place = (Path.cwd() / settings.folder).resolve()
    return place / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(2)}"


def submit(submission: Submission, prepare: Callable[[], None] = lambda: None) -> str:
    """Write the folder of a job and submit it; return its id. A refused job leaves no folder.

    Args:
        submission: The job.
        prepare: Called when the folder is written, before Slurm gets the job.
    Raises:
        FileNotFoundError: If there is no sbatch on this machine.
        ValueError: If Slurm refuses the job; the message contains Slurm's own.
        OSError: If the folder cannot be written.
    """
    sbatch = shutil.which("sbatch")
    if sbatch is None:
        raise FileNotFoundError(
            "There is no sbatch on this machine (PATH): run this on a login node of the cluster, or add --dry-run to "
            "see the script."
        )
    script, folder = submission.script, submission.folder
    try:
        folder.mkdir(parents=True)
        for name, text in {**submission.files, SCRIPT: script}.items():
            (folder / name).write_text(text, encoding="utf-8")
        record = _record(submission)
        _write_record(folder, record)
        prepare()
        job_id = _sbatch(sbatch, folder / SCRIPT)
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError) and error.filename is None:  # a disk that is full within a file
            error.filename = str(folder)
        raise
    try:
        _write_record(folder, {**record, "job_id": job_id})
    except OSError as error:
        raise ValueError(
            f"Job {job_id} was submitted, but {folder} cannot store its id ({error.strerror}): watch it with `squeue "
            f"--job {job_id}`, or cancel it with `scancel {job_id}`."
        ) from error
    return job_id


def _record(submission: Submission) -> dict[str, Any]:
    return {
        "job_id": None,
        "name": submission.name,
        "command": scrub_command(("qlit", *submission.command.words)),
        "is_array": submission.command.is_array,
        "submitted": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "directory": str(Path.cwd()),
        "settings": {**asdict(submission.settings), "folder": str(submission.settings.folder)},
        "environment": {
            **provenance.collect(),
            "python": sys.executable,
            **{name: os.environ[name] for name in _VARIABLES if name in os.environ},
        },
    }


def _write_record(folder: Path, record: Mapping[str, Any]) -> None:
    (folder / RECORD).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def _sbatch(sbatch: str, script: Path) -> str:
    """Submit a script; return the id of its job."""
    said: list[str] = []
    with subprocess.Popen(
        [sbatch, "--parsable", str(script)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
        env=_own_environment(),
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for line in process.stderr:  # it ends with the process
            if "retrying" in line:  # the queue is full
                print(f"qlit submit: {line.strip()}", file=sys.stderr, flush=True)
            said.append(line.strip())
        out = process.stdout.read()
    found = re.match(r"(\d+)", out)
    if process.returncode != 0 or found is None:
        reason = "; ".join(line.removeprefix("sbatch: error: ") for line in said if line) or "it gave no reason"
        raise ValueError(f"Slurm refused the job: {reason} (sbatch, exit status {process.returncode}).")
    return found[1]


def _own_environment() -> dict[str, str]:
    """The environment without the variables of a job in which this command may run: a new job would inherit them."""
    kept = ("SLURM_CONF", "SLURM_CLUSTERS")
    return {name: value for name, value in os.environ.items() if not name.startswith("SLURM_") or name in kept}
