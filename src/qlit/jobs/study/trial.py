"""One training of a study: reuse an earlier run, or train in this process or in several."""

from collections.abc import Callable, Sequence

from qlit.data.contents import Contents
from qlit.jobs.callbacks.interruption import Interruption
from qlit.jobs.callbacks.pruning import GiveUp, Pruning
from qlit.jobs.distributed.cores import num_processes
from qlit.jobs.job import Job
from qlit.jobs.outcome import Outcome
from qlit.jobs.study.processes import train_in_processes
from qlit.runtime.retry import retry_until_mlflow_answers


def train(
    job: Job,
    tags: dict[str, str],
    raise_if_stopped: Callable[[], None],
    give_up: GiveUp | None = None,
    check: Callable[[Contents], None] | None = None,
    objectives: Sequence[str] = (),
) -> Outcome:
    """Return the outcome of an earlier run of a job in its experiment, or run the job.

    Args:
        job: The training.
        tags: Tags of its run.
        raise_if_stopped: Called before every epoch; it raises if a signal arrived but Python dropped its exception.
        give_up: As of `Pruning`.
        check: Raises an error if the study must not train on these contents; None for no check.
        objectives: Names of scores that an earlier run must have.
    Raises:
        LostError: If one of several processes was killed.
        FailedError: If one of several processes failed.
        StoppedBySignal: If a signal arrived before the trainer was made, or during a training in several processes.
        UsageError, ValueError, FileNotFoundError, ConnectionError, OutageError: As `Job.run`.
    """
    contents = job.contents
    if check is not None:
        check(contents)
    needed = {"val/accuracy", "test/accuracy", *objectives}
    found = retry_until_mlflow_answers(lambda: job.find(needed))
    if found is not None and found.status != "stopped":
        return found
    config = job.config
    count = num_processes(config["tracking"]["experiment"], config["trainer"])
    if found is not None:
        job = job.with_settings({"ckpt_path": found.checkpoint})
    if count is not None:
        return train_in_processes(job, count, tags, raise_if_stopped, give_up)
    return job.run(tags=tags, interruption=Interruption(raise_if_stopped), pruning=Pruning(give_up))
