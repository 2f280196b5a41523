"""Find the checkpoints of a callback after their folder was moved."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.pytorch.callbacks import ModelCheckpoint


def with_found_paths(state: Mapping[str, Any], callback: ModelCheckpoint, beside: Path) -> dict[str, Any]:
    """Update the paths in the state of a `ModelCheckpoint` to the present places of its files; drop missing files.

    If the folder has changed, Lightning forgets all scores and then overwrites better checkpoints with worse ones.

    Args:
        state: State in the checkpoint.
        callback: Callback that will load the state.
        beside: Folder of the checkpoint to resume from.
    """
    if state.get("dirpath") == callback.dirpath:
        return dict(state)

    def found(path: str) -> str:
        name: Path | str = Path(path).name
        if state.get("dirpath") and Path(path).is_relative_to(str(state["dirpath"])):
            name = Path(path).relative_to(str(state["dirpath"]))
        places = [Path(str(folder)) / name for folder in (callback.dirpath, beside) if folder is not None]
        return next((str(place) for place in (*places, Path(path)) if place.is_file()), "") if path else ""

    kept = {place: score for path, score in state.get("best_k_models", {}).items() if (place := found(path))}
    new = {
        **state,
        "dirpath": callback.dirpath,
        "best_k_models": kept,
        "kth_best_model_path": "",
        "last_model_path": found(state.get("last_model_path", "")),
        "best_model_path": found(state.get("best_model_path", "")),
    }
    if callback.monitor is None:
        return new
    ascending = sorted(kept, key=lambda path: float(kept[path]), reverse=callback.mode == "min")
    new["best_model_path"] = ascending[-1] if kept else ""
    new["best_model_score"] = kept[ascending[-1]] if kept else None
    if kept and len(kept) == callback.save_top_k:
        new |= {"kth_best_model_path": ascending[0], "kth_value": kept[ascending[0]]}
    return new
