"""A fit: check, train, test, record, and print a summary."""

import json

from qlit.jobs.callbacks.recorder import kept_best
from qlit.jobs.checks.resuming import check_resumable
from qlit.jobs.notices import print_notices
from qlit.jobs.outcome import STUDY, Outcome, sizes_of
from qlit.jobs.result import Scored, result_of
from qlit.jobs.session import Session
from qlit.jobs.summary import fit_summary
from qlit.jobs.trainer_parts import names_allowed
from qlit.training.finders import finders


def fit(session: Session) -> Outcome:
    """Train and test; return the outcome.

    Raises:
        ValueError: If the fit cannot start, or cannot continue from its checkpoint.
        StoppedBySignal: After a signal.
    """
    with session.running():
        session.check()
        if nothing := _nothing_to_do(session):
            return Outcome("finished", session.resumed_run, reason=nothing)
        session.trainer.fit(
            session.model, datamodule=session.data, ckpt_path=session.config.ckpt_path, weights_only=True
        )
        after_fit(session)
    return _outcome(session)


def _nothing_to_do(session: Session) -> str:
    """The reason why a resumed fit has nothing to do; empty if it has.

    Raises:
        ValueError: If the fit cannot continue from its checkpoint.
    """
    if session.resumed_from is None or session.resumed is None:
        return ""
    nothing = check_resumable(
        session.resumed_from, session.resumed, session.trainer, session.tracker, tests=session.config.test_after_fit
    )
    session.resumed = None  # it may be large
    return nothing


def after_fit(session: Session) -> None:
    """Test the best checkpoint, close the run and print the result."""
    trainer, module, data, tracker = session.trainer, session.model, session.data, session.tracker
    best, last = (getattr(trainer.checkpoint_callback, f"{name}_model_path", "") for name in ("best", "last"))
    is_pruned = session.pruning is not None and session.pruning.gave_up
    if is_pruned and tracker is not None:
        tracker.set_tag("study.state", "pruned")
    for callback in finders(trainer.callbacks):  # type: ignore[attr-defined]
        trainer.callbacks.remove(callback)  # type: ignore[attr-defined] # else it searches again before the test
    session.interruption.raise_if_stopped()
    if session.config.test_after_fit and not is_pruned and (best or module.divergence is None):
        # Without checkpoints (a dry run), the current weights are tested.
        trainer.test(module, data, ckpt_path=best or None, verbose=False, weights_only=True)
    if session.pruning is not None and tracker is not None:
        tracker.log_metrics({f"{STUDY}{name}": value for name, value in sizes_of(module, data).items()})
    session.close()  # before the summary, so that an error in printing does not change the run
    if not trainer.is_global_zero:
        return
    if session.tags is not None:
        print_notices([*data.notices, *module.notices])
        return
    scores = session.scores("test") if "test" in module.evaluations else {}
    kept, unlisted = kept_best(trainer), names_allowed(session)
    if not session.as_json:
        print(fit_summary(module, data, tracker, best, kept, scores, last_checkpoint=last, allow=unlisted))
        return
    validated = kept or module.evaluations.get("val")
    evaluations: dict[str, Scored] = {
        "val": (validated, {} if validated is None else validated.scores),
        "test": (module.evaluations.get("test"), scores),
    }
    print(json.dumps(result_of(module, data, tracker, evaluations, checkpoint=best or last), indent=2))


def _outcome(session: Session) -> Outcome:
    module, trainer = session.model, session.trainer
    run_id = None if session.tracker is None else session.tracker.run_id
    if module.divergence is not None:  # scores of earlier epochs are not results of these settings
        return Outcome("failed", run_id, reason=module.divergence.text)
    is_pruned = session.pruning is not None and session.pruning.gave_up
    if not trainer.is_global_zero:
        return Outcome("pruned" if is_pruned else "finished")
    best = kept_best(trainer) or module.evaluations.get("val")
    scores = {} if best is None else {name: value for name, value in best.scores.items() if name != "val/selection"}
    scores |= sizes_of(module, session.data)
    return (
        Outcome("pruned", run_id, scores) if is_pruned else Outcome("finished", run_id, scores | session.scores("test"))
    )
