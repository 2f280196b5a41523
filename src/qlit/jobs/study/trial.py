"""One training of a study: found where it was done before, else trained, in this process or in several."""

from collections.abc import Callable, Sequence

from qlit.data.contents import Contents
from qlit.jobs.callbacks.interruption import Interruption
from qlit.jobs.callbacks.pruning import Pruning
from qlit.jobs.distributed.cores import num_processes
from qlit.jobs.job import Job
from qlit.jobs.outcome import Outcome
from qlit.jobs.study.processes import train_in_processes
from qlit.runtime.retry import retry_until_mlflow_answers


def train(
    job: Job,
    tags: dict[str, str],
    raise_if_stopped: Callable[[], None],
    give_up: Callable[[int, float], bool] | None = None,
    check: Callable[[Contents], None] | None = None,
    objectives: Sequence[str] = (),
) -> Outcome:
    """Run a job, unless a finished run of its experiment did so before.

    Args:
        job: The training.
        tags: Of its run.
        raise_if_stopped: Asked before each epoch, to raise what a signal raised and Python dropped.
        give_up: Asked after each epoch, with its number and validation accuracy, whether to stop; None for never.
        check: Raises if these contents of data and body are not to be trained on; None for any.
        objectives: Scores that an earlier run must have to be used.
    Raises:
        LostError: If it trains in several processes, and one of them was killed.
        FailedError: If it trains in several processes, and one of them failed.
        StoppedBySignal: If a signal came before its trainer was made, or while it trained in several processes.
        Otherwise as `Job.run`.
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
