"""`qlit validate` and `qlit test`: score a checkpoint on one split."""

import json
from collections.abc import Sequence
from typing import Literal

from qlit.jobs.callbacks.interruption import Interruption, outcome_or_stop
from qlit.jobs.config.training_parser import parse
from qlit.jobs.outcome import Outcome
from qlit.jobs.result import Scored, result_of
from qlit.jobs.session import Session
from qlit.jobs.summary import evaluation_summary
from qlit.training.module import Stage

Evaluated = Literal["validate", "test"]


def evaluate(
    command: Evaluated, options: Sequence[str], *, from_checkpoint: bool = False, as_json: bool = False
) -> Outcome:
    """Score a checkpoint and print its scores.

    Args:
        command: "validate" or "test".
        options: Words of its command line, `--config` included.
        from_checkpoint: As of `Job`.
        as_json: Print JSON.
    Raises:
        UsageError, ValueError, FileNotFoundError: If the config or the checkpoint is unusable.
    """
    config, interruption = parse(command, options), Interruption()

    def work() -> Outcome:
        session = Session(command, config, options, interruption, from_checkpoint=from_checkpoint, as_json=as_json)
        return _scored(session, "val" if command == "validate" else "test")

    return outcome_or_stop(work, interruption)


def _scored(session: Session, stage: Stage) -> Outcome:
    with session.running():
        session.check()
        run = session.trainer.validate if stage == "val" else session.trainer.test
        # Not verbose: the summary prints the scores.
        run(
            session.model, datamodule=session.data, ckpt_path=session.config.ckpt_path, verbose=False, weights_only=True
        )
        session.close()
        divergence, scores = session.model.divergence, session.scores(stage)
        if session.trainer.is_global_zero and divergence is None:
            _print(session, stage, scores)
    run_id = None if session.tracker is None else session.tracker.run_id
    if divergence is not None:
        return Outcome("failed", run_id, reason=divergence.text)
    return Outcome("finished", run_id, scores)


def _print(session: Session, stage: Stage, scores: dict[str, float]) -> None:
    if not session.as_json:
        print(evaluation_summary(session.model, session.data, session.tracker, stage, scores))
        return
    model, checkpoint = session.model, session.config.ckpt_path
    evaluations: dict[str, Scored] = {stage: (model.evaluations[stage], scores)}
    print(json.dumps(result_of(model, session.data, session.tracker, evaluations, checkpoint=checkpoint), indent=2))
