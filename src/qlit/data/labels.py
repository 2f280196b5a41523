"""Match labels of data with the classes of a checkpoint, or of other data, by name."""

from collections.abc import Sequence

from qlit.data.quoting import quoted

_MOST_NAMES = 5
OF_CHECKPOINT = "the checkpoint was trained on"
OF_TRAINING = "the training data has"
"""Owners of classes, as words before their names."""


def names_of(names: Sequence[str]) -> str:
    """List labels as text; only the first few if there are many."""
    shown = ", ".join(map(quoted, names[:_MOST_NAMES]))
    return shown if len(names) <= _MOST_NAMES else f"{shown} and {len(names) - _MOST_NAMES} more"


def match_labels(found: Sequence[str], known: Sequence[str], where: str, owner: str = OF_CHECKPOINT) -> list[int]:
    """Numbers of labels among known classes, of which the data may lack some.

    Args:
        found: Names of labels in the data.
        known: Names of the classes, in their order.
        where: Name of the data, for the message.
        owner: Owner of the classes: `OF_CHECKPOINT` or `OF_TRAINING`.
    Raises:
        ValueError: If a label is unknown.
    """
    number = {name: k for k, name in enumerate(known)}
    if unknown := [name for name in found if name not in number]:
        lacks = "the checkpoint does not know" if owner == OF_CHECKPOINT else "the training data does not have"
        raise ValueError(
            f"{where} has {'labels' if len(unknown) > 1 else 'a label'} that {lacks}, "
            f"{names_of(unknown)}; {owner} {names_of(known)}. Labels are matched by name: rename "
            "those of the data, or set `data.label_column`."
        )
    return [number[name] for name in found]
