"""Sizes of a head that a config leaves out: classes of the data, and features of the body."""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from jsonargparse import Namespace

from qlit.data import resolve_body
from qlit.data.contents import num_classes_of, num_features_of


def fill_head_sizes(config: Namespace, *, num_classes: int | None = None) -> None:
    """Set `num_classes` and `num_features` where a config leaves them out; nothing is read if it gives them.

    Args:
        config: Parsed config with the sections `model` and `data`; it is changed.
        num_classes: Classes of a checkpoint, which the data may lack; None to count the labels in the data.
    Raises:
        ValueError: If the body's files do not state the dimension of its embeddings; and as `resolve_body` and
            `Sources.load`.
        FileNotFoundError, ConnectionError: As `resolve_body` and `Sources.load`.
    """
    head = config.model.head
    if lacks_classes(head):
        if num_classes is None:
            if config.data.embeddings is None:  # a body that is not here is the first error, as in a fit
                resolve_body(config.data.body, trust_remote_code=config.data.trust_remote_code)
            num_classes = num_classes_of(config.data)
        head.init_args.num_classes = num_classes

    @cache
    def features() -> int:
        return _num_features(config.data, str(head.class_path))

    for arguments, projected in list(_without_features(head)):
        arguments.num_features = features() if projected is None else projected


def lacks_classes(head: Any) -> bool:
    """Whether a head takes a number of classes and a parsed config leaves it out."""
    arguments = _arguments(head)
    return "num_classes" in arguments and arguments["num_classes"] is None


def lacks_features(head: Any) -> bool:
    """Whether a head or its encoder takes the body's number of features and a parsed config leaves it out."""
    return any(projected is None for _, projected in _without_features(head))


def _without_features(spec: Any, projected: int | None = None) -> Iterator[tuple[Any, int | None]]:
    """Arguments of a class and of the classes in its arguments that lack `num_features`.

    With the size of the projection in front of them; None if they take the embeddings of the body.
    """
    arguments = _arguments(spec)
    if "num_features" in arguments:
        if arguments["num_features"] is None:
            yield arguments, projected
        if (projected := arguments.get("num_projected")) is None:
            return
    for inner in (vars(arguments) if isinstance(arguments, Namespace) else arguments).values():
        yield from _without_features(inner, projected)


def _arguments(spec: Any) -> Any:
    """The `init_args` of a class in a parsed config; empty for anything else."""
    if not isinstance(spec, Namespace | Mapping) or "class_path" not in spec:
        return {}
    return spec.get("init_args") or {}


def _num_features(data: Mapping[str, Any], head: str) -> int:
    if (dim := num_features_of(data)) is None:
        raise ValueError(
            f"The files of the body {data['body']} do not state the dimension of its embeddings: set `num_features` of "
            f"{head.rpartition('.')[2]} or of its encoder."
        )
    return dim
