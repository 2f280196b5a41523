"""Sizes of a config, as far as they are known without reading its data: of the head, of training and validation."""

from jsonargparse import Namespace

from qlit.data import expanded
from qlit.data.contents import num_classes_of, num_features_of
from qlit.data.cuts import train_and_validation_sizes
from qlit.data.sources import Sources
from qlit.heads import Head
from qlit.heads.base import NUM_CLASSES, NUM_FEATURES
from qlit.jobs.config.head_sizes import fill_features, fill_head_sizes, lacks_classes, lacks_features
from qlit.training.datamodule import SentenceDataModule


def sizes_before_reading(head: Head, data: SentenceDataModule) -> tuple[int, int] | None:
    """Numbers of training and validation sentences; None for given splits of data that is not on this machine.

    Few-shot splits need only the head's number of classes.

    Raises:
        ValueError: If a number of the data module is out of range.
        ValueError, OSError: With given splits on this machine, as `Sources.load` and `given_split`.
    """
    if data.sources.splits == "few_shot":
        assert data.num_per_label is not None
        return train_and_validation_sizes(
            head.num_classes, num_per_label=data.num_per_label, train_fraction=data.train_fraction
        )
    if not data.sources.are_here:
        return None
    split = data.split_of(data.sources.load())
    return len(split.train), len(split.validation)


def local_features(data: Namespace) -> int | None:
    """D of the embeddings of a config's data section; None if they or the body are not on this machine."""
    if data.embeddings is None and "/" in data.body and not expanded(data.body, "data.body").is_dir():
        return None
    try:
        return num_features_of(vars(data))
    except FileNotFoundError:
        return None


def fill_local_sizes(config: Namespace) -> list[str]:
    """As `fill_head_sizes`, but no data set and no body is looked for on the hub; published sizes stand for theirs.

    Returns:
        What is assumed, one clause per size.
    """
    head, data = config.model.head, config.data
    assumed = []
    if lacks_classes(head):
        is_here = Sources.of(data).are_here
        head.init_args.num_classes = num_classes_of(data) if is_here else NUM_CLASSES
        assumed += [] if is_here else [f"num_classes {NUM_CLASSES} (the labels of {data.source} are not counted)"]
    has_body = data.embeddings is None
    if has_body and lacks_features(head) and "/" in data.body and not expanded(data.body, "data.body").is_dir():
        fill_features(head, lambda: NUM_FEATURES)
        return [*assumed, f"num_features {NUM_FEATURES} (the body {data.body} is not looked for)"]
    fill_head_sizes(config)
    return assumed
