"""Match the labels of data with the classes of a checkpoint by name."""

from collections.abc import Sequence

from qlit.data.quoting import quoted

_MOST_NAMES = 5


def names_of(names: Sequence[str]) -> str:
    """List labels as text; only the first few if there are many."""
    shown = ", ".join(map(quoted, names[:_MOST_NAMES]))
    return shown if len(names) <= _MOST_NAMES else f"{shown} and {len(names) - _MOST_NAMES} more"


def match_labels(found: Sequence[str], known: Sequence[str], where: str) -> list[int]:
    """Numbers of labels in a checkpoint's classes, of which the data may lack some.

    Args:
        found: Names of labels in the data.
        known: Names of the checkpoint's classes, in their order.
        where: Name of the data, for the message.
    Raises:
        ValueError: If the checkpoint does not know a label.
    """
    number = {name: k for k, name in enumerate(known)}
    if unknown := [name for name in found if name not in number]:
        raise ValueError(
            f"{where} has {'labels' if len(unknown) > 1 else 'a label'} that the checkpoint does not know, "
            f"{names_of(unknown)}; the checkpoint was trained on {names_of(known)}. Labels are matched by name: rename "
            "those of the data, or set `data.label_column`."
        )
    return [number[name] for name in found]
