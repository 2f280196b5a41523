"""Sizes of a head that a config leaves out: classes of the data, and features of the body."""

from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Any

from jsonargparse import ArgumentParser, Namespace

from qlit.data import resolve_body
from qlit.data.contents import num_classes_of, num_features_of
from qlit.heads import Preprocessing
from qlit.jobs.config.options import readable_errors


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

    fill_features(head, features)


def fill_features(head: Any, features: Callable[[], int]) -> None:
    """Set `num_features` where the parsed config of a head leaves it out.

    Args:
        head: Config of the head; it is changed.
        features: Function that returns D of the embeddings, called only if it is needed.
    Raises:
        ValueError: If the preprocessing of the head cannot be made, or cannot take embeddings of D features.
    """
    lacking = sorted(_without_features(head), key=lambda each: each[2] is not None)  # a preprocessing comes first
    for arguments, projected, preprocessing in lacking:
        if projected is not None:
            arguments["num_features"] = projected
        elif preprocessing is not None:
            arguments["num_features"] = num_outputs_of(preprocessing, features())
        else:
            arguments["num_features"] = features()


def num_outputs_of(preprocessing: Any, num_features: int) -> int:
    """Number of outputs of a preprocessing, given its config, for embeddings of D features.

    Raises:
        UsageError, ValueError: If it cannot be made, or cannot take embeddings of D features.
    """
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--preprocessing", type=Preprocessing)
    plain = preprocessing.as_dict() if isinstance(preprocessing, Namespace) else preprocessing
    with readable_errors():
        made: Preprocessing = parser.instantiate(parser.parse_object({"preprocessing": plain})).preprocessing
    made.check_features(num_features)
    return made.num_outputs(num_features)


def lacks_classes(head: Any) -> bool:
    """Whether a head takes a number of classes and a parsed config leaves it out."""
    arguments = _arguments(head)
    return "num_classes" in arguments and arguments["num_classes"] is None


def lacks_features(head: Any) -> bool:
    """Whether a head or its encoder takes the body's number of features and a parsed config leaves it out."""
    return any(projected is None for _, projected, _ in _without_features(head))


def _without_features(
    spec: Any, projected: int | None = None, preprocessing: Any = None
) -> Iterator[tuple[Any, int | None, Any]]:
    """Arguments of a class and of the classes in its arguments that lack `num_features`.

    With the size of the projection, and the config of the preprocessing of the head, in front of them; None for both if
    they take the embeddings of the body.
    """
    arguments = _arguments(spec)
    own = arguments.get("preprocessing")
    if own is not None:
        yield from _without_features(own, projected, preprocessing)
    if "num_features" in arguments:
        if arguments["num_features"] is None:
            yield arguments, projected, preprocessing
        if (projected := arguments.get("num_projected")) is None:
            return
    for key, inner in (vars(arguments) if isinstance(arguments, Namespace) else arguments).items():
        if key != "preprocessing":
            yield from _without_features(inner, projected, preprocessing if own is None else own)


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
