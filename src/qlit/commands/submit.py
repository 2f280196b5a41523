"""`qlit submit`: commands as jobs of a Slurm cluster."""

import shlex
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path

from qlit.commands import compare, table
from qlit.commands.parsers.submit import KINDS, help_of_submit
from qlit.commands.study import study_parser
from qlit.commands.train import with_config_of_checkpoint
from qlit.jobs.config.checkpoint_classes import only_listed_imports
from qlit.jobs.config.options import readable_errors, value_of
from qlit.jobs.job import Job
from qlit.jobs.series import Candidate
from qlit.jobs.slurm.script import Command, log_of
from qlit.jobs.slurm.settings import SlurmSettings, read_settings
from qlit.jobs.slurm.submission import Submission, folder_of, submit
from qlit.jobs.slurm.tasks import task_options
from qlit.jobs.study.contents import check_study
from qlit.jobs.study.setup import check_cells, checked_configs, extreme_cells, job_of, parse_arguments
from qlit.jobs.terminal import quieten
from qlit.runtime.allowed import allow_options
from qlit.runtime.errors import UsageError, nearest
from qlit.runtime.secrets import has_credentials
from qlit.studies.trials.storage import quieten_optuna
from qlit.studies.trials.trials import Trials

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
    prepare: Callable[[], None] = lambda: None
    """Called before the job is submitted."""


def run(command: str, arguments: list[str]) -> int:
    """Submit a command, or show its job script; return the exit status."""
    kind, *rest = arguments or ["--help"]
    if kind in ("-h", "--help"):
        print(help_of_submit(f"qlit {command}"), end="")
        return 0 if arguments else 2
    if kind not in KINDS:
        hint = nearest(kind, KINDS) or f"; jobs are {', '.join(KINDS)}."
        raise UsageError(f"{kind!r} cannot be submitted{hint} See qlit {command} --help.")
    file, is_dry, options = _own_options(rest)
    settings = read_settings(file)
    quieten()
    quieten_optuna()
    name = settings.job_name or f"qlit-{kind}"
    folder = folder_of(settings, name)
    if kind == "fit":
        work = _fit(options, settings, folder)
    else:
        work = _study(options) if kind == "study" else _series(kind, options)
    submission = Submission(name, work.command, settings, folder, work.files)
    if is_dry:
        print(submission.script, end="")
        return 0
    job_id = submit(submission, work.prepare)
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


def _study(options: list[str]) -> _Work:
    given, named = parse_arguments(study_parser("worker", "Workers of a study as an array of jobs."), options)
    checked_configs(named.study, named.trials_at_once)
    check_cells(named.study)
    texts = {"study.yaml": Path(given.config).read_text(encoding="utf-8")}
    for number, cell in enumerate(extreme_cells(named.study), 1):
        texts[f"config-{number}.yaml"] = _config_text(job_of(named.study, cell))
    if named.location.is_one_machines:
        print(
            f"qlit submit: note: the storage {named.location.path} is for workers on one machine; those on others will "
            "refuse it. PostgreSQL is for several machines (docs/studies.md).",
            file=sys.stderr,
        )

    def create() -> None:
        """Create the study once, before all workers start."""
        trials = Trials(named.study, named.location)
        try:
            check_study(trials)
            queued = trials.fill()
            if not trials.num_left:
                raise ValueError(f"Study {named.study.name!r} is finished: `qlit study best` shows its best cell.")
            print(f"{named.study.name}: {queued} trials queued, {trials.num_left} to train")
        finally:
            trials.close()

    words = ("study", "worker", *named.arguments, "--join", *allow_options())
    return _Work(Command(words, is_array=True), texts, create)


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
