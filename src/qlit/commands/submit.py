"""`qlit submit`: commands as jobs of a Slurm cluster."""

import shlex
import tempfile
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from qlit.commands import compare, table
from qlit.commands.train import with_config_of_checkpoint
from qlit.jobs.config.checkpoint_classes import only_listed_imports
from qlit.jobs.config.options import readable_errors, value_of
from qlit.jobs.job import Job
from qlit.jobs.series import Candidate
from qlit.jobs.slurm.script import Command, log_of
from qlit.jobs.slurm.settings import SlurmSettings, read_settings
from qlit.jobs.slurm.submission import Submission, folder_of, submit
from qlit.jobs.slurm.tasks import task_options
from qlit.jobs.terminal import quieten
from qlit.runtime.allowed import allow_options
from qlit.runtime.errors import UsageError, nearest
from qlit.runtime.secrets import has_credentials

_KINDS = {
    "fit": "one job, which trains in as many processes as the Slurm file has tasks",
    "compare": "one job",
    "table": "one job",
}
_CONFIG = "config.yaml"


@dataclass(frozen=True)
class _Work:
    """What a job does.

    Args:
        command: The command that it runs.
        files: Texts to store in its folder, by file name.
    """

    command: Command
    files: dict[str, str] = field(default_factory=dict)


def run(command: str, arguments: list[str]) -> int:
    """Submit a command, or show its job script; return the exit status."""
    kind, *rest = arguments or ["--help"]
    if kind in ("-h", "--help"):
        print(_help(command))
        return 0 if arguments else 2
    if kind not in _KINDS:
        hint = nearest(kind, _KINDS) or f"; jobs are {', '.join(_KINDS)}."
        raise UsageError(f"{kind!r} cannot be submitted{hint} See qlit {command} --help.")
    file, is_dry, options = _own_options(rest)
    settings = read_settings(file)
    quieten()
    name = settings.job_name or f"qlit-{kind}"
    folder = folder_of(settings, name)
    work = _fit(options, settings, folder) if kind == "fit" else _series(kind, options)
    submission = Submission(name, work.command, settings, folder, work.files)
    if is_dry:
        print(submission.script, end="")
        return 0
    job_id = submit(submission)
    log = str(log_of(folder, is_array=work.command.is_array)).replace("%a", "*")
    print(
        f"Submitted job {job_id} ({name}); its folder is {folder}\n"
        f"  watch:  qlit jobs, squeue --job {job_id}, tail -F {log if '*' in log else shlex.quote(log)}\n"
        f"  cancel: qlit jobs cancel {job_id}"
    )
    return 0


def _own_options(words: Sequence[str]) -> tuple[str, bool, list[str]]:
    """The Slurm file, whether it is a dry run, and the options of the submitted command."""
    file, is_dry, others = None, False, []
    rest = iter(words)
    for word in rest:
        if word in ("--dry-run", "--dry_run"):
            is_dry = True
        elif word == "--slurm":
            file = next(rest, None)
        elif word.startswith("--slurm="):
            file = word.partition("=")[2]
        else:
            others.append(word)
    if not file:
        raise UsageError("a Slurm file is missing: add --slurm configs/slurm/example.yaml, or one of your own.")
    return file, is_dry, others


def _fit(options: list[str], settings: SlurmSettings, folder: Path) -> _Work:
    with tempfile.TemporaryDirectory() as temporary:
        with readable_errors():
            own = with_config_of_checkpoint("fit", options, Path(temporary))
        with nullcontext() if own is None else only_listed_imports():
            given = options if own is None else own
            tasks = task_options(Job(given).config["trainer"], settings)
            job = Job([*given, *tasks], from_checkpoint=own is not None)
            text = _config_text(job)
    if own is not None:  # the checkpoint's config keeps its restrictions
        words = [*options, *tasks]
    else:
        checkpoint = value_of("--ckpt_path", options)
        words = ["--config", str(folder / _CONFIG), *(["--ckpt_path", checkpoint] if checkpoint else [])]
    return _Work(Command(("fit", *words, *allow_options()), is_distributed=True), {_CONFIG: text})


def _series(kind: str, options: list[str]) -> _Work:
    candidates: list[Candidate]
    if kind == "compare":
        candidates = compare.candidates_of(*compare.parse_arguments(options))
    else:
        candidates = table.candidates_of(*table.parse_arguments(options))
    texts = {f"config-{number}.yaml": _config_text(each.job) for number, each in enumerate(candidates, 1)}
    return _Work(Command((kind, *options, *allow_options())), texts)


def _config_text(job: Job) -> str:
    uri = job.config["tracking"]["tracking_uri"]
    if uri is not None and has_credentials(uri):
        raise ValueError(
            "`tracking.tracking_uri` contains a password, which the folder of a job does not store: give it in "
            "MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD."
        )
    return job.config_yaml


def _help(command: str) -> str:
    kinds = "".join(f"  {kind:<9}{text}\n" for kind, text in _KINDS.items())
    return (
        f"usage: qlit {command} {'|'.join(_KINDS)} [OPTIONS OF THE COMMAND] --slurm FILE [--dry-run]\n\n"
        f"{kinds}\n"
        "  --slurm FILE   what the job asks the cluster for; configs/slurm/example.yaml explains every key\n"
        "  --dry-run      print the job script and submit nothing\n\n"
        "All other options belong to the submitted command. docs/cluster.md has examples."
    )
