"""Find the best checkpoint of a resumed training by its content, also if its folder was moved."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qlit.training.checkpoints.files import DamagedCheckpointError, load_intact, write_checkpoint
from qlit.training.evaluation import CHECKPOINT_KEY, Evaluation

_NAME = "best.ckpt"


@dataclass(frozen=True)
class EarlierBest:
    """Best checkpoint of a resumed training.

    Args:
        best: Evaluation of `best.ckpt` in the run's folder; None if there is no such file.
        lost: One sentence if the best checkpoint was lost, else "".
    """

    best: Evaluation | None
    lost: str = ""


def find_best(resumed_from: Path, folder: Path, state: Mapping[str, Any], *, run_id: str | None = None) -> EarlierBest:
    """Find the best checkpoint of a resumed training, and copy it to the folder of its run.

    Candidates are `best.ckpt` next to the resumed checkpoint, in the run's folder, and at its original path. If none of
    them fits and the weights of the resumed checkpoint were validated, the resumed checkpoint becomes the best one.

    Args:
        resumed_from: The checkpoint to resume from.
        folder: Folder of the resumed run.
        state: Record of the best checkpoint in the resumed one: `best` (missing in older ones), `best_model_path`.
        run_id: Id of the resumed run. It is written into the copy, so that a resume of the copy continues this run.
    """
    resumed = _read(resumed_from)
    assert resumed is not None, "Lightning has already read this checkpoint"
    own = Evaluation.of_checkpoint(resumed)
    recorded = Evaluation(**state["best"]) if state.get("best") else None
    written = Path(state.get("best_model_path") or _NAME)
    for path in dict.fromkeys((resumed_from.with_name(_NAME), folder / _NAME, written)):
        checkpoint = _read(path)
        if checkpoint is None or not _are_of_one_run(checkpoint, resumed):
            continue
        found = Evaluation.of_checkpoint(checkpoint, is_best=True)
        if found is None or (path == written and recorded not in (None, found)):  # another run has replaced it
            continue
        _put(checkpoint, path, folder, run_id)
        return EarlierBest(found)
    if own is not None:
        _put(resumed, resumed_from, folder, run_id)
    if recorded == own or not (recorded or state.get("best_model_path")):
        return EarlierBest(own)
    was = ""
    if recorded is not None:
        was = f" (epoch {recorded.epoch}, validation accuracy {recorded.scores['val/accuracy']:.2%})"
    since = int(resumed["epoch"]) + (0 if own is not None else 1)
    return EarlierBest(
        own,
        f"The best checkpoint so far{was} is not next to {resumed_from}, or is damaged: {_NAME} will be the best from "
        f"epoch {since} on.",
    )


def _read(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        found = load_intact(path)
    except (DamagedCheckpointError, OSError):
        return None
    return found if isinstance(found, dict) and CHECKPOINT_KEY in found else None


def _are_of_one_run(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two checkpoints record the same run and the same split."""
    notes = one[CHECKPOINT_KEY], other[CHECKPOINT_KEY]
    return all(notes[0].get(key) == notes[1].get(key) for key in ("run_id", "split_fingerprint"))


def _put(checkpoint: dict[str, Any], path: Path, folder: Path, run_id: str | None) -> None:
    target = folder / _NAME
    if path.resolve() == target.resolve():
        return
    checkpoint[CHECKPOINT_KEY] = {**checkpoint[CHECKPOINT_KEY], "run_id": run_id}
    write_checkpoint(checkpoint, target)
