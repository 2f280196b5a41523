"""The training of a submitted job: it notes its run in the job's folder, and continues it when the job starts again."""

from pathlib import Path
from typing import final

from lightning.pytorch import Callback, LightningModule, Trainer

from qlit.runtime.batch_job import job_folder
from qlit.runtime.part_file import part_of
from qlit.training.checkpoints.best_and_last import BestAndLast

RUN_FILE = "run"
"""File in the folder of a job with the folder of its run."""


@final
class NoteRun(Callback):
    """Write the folder of the run into the folder of the submitted job, if there is one."""

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:  # noqa: ARG002
        folder = job_folder()
        if folder is None or stage != "fit" or not trainer.is_global_zero:
            return
        for callback in trainer.checkpoint_callbacks:
            if isinstance(callback, BestAndLast) and callback.dirpath is not None:
                part = part_of(folder / RUN_FILE)
                part.write_text(f"{Path(callback.dirpath).resolve()}\n", encoding="utf-8")
                part.replace(folder / RUN_FILE)


def requeued_options() -> list[str]:
    """Options of `qlit fit` that continue the run of a submitted job; empty at its first start and outside of jobs."""
    folder = job_folder()
    if folder is None or not (folder / RUN_FILE).is_file():
        return []
    run = Path((folder / RUN_FILE).read_text(encoding="utf-8").strip())
    if (run / "last.ckpt").is_file():
        return ["--ckpt_path", str(run / "last.ckpt")]
    # It was stopped before its first checkpoint.
    return ["--tracking.run_id", run.name] if (run / "log.jsonl").is_file() else []
