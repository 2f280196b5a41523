"""Build the model in a checkpoint for predictions, without Lightning."""

from dataclasses import fields

from jsonargparse import ArgumentParser, Namespace

from qlit.data.body_settings import BodySettings
from qlit.jobs.config.checkpoint_classes import only_listed_imports
from qlit.jobs.config.classes import check_classes
from qlit.jobs.config.current_folder import find_modules_in_current_folder
from qlit.jobs.config.nulls import check_nulls
from qlit.jobs.config.options import readable_errors
from qlit.runtime.yaml_text import load_yaml
from qlit.training.sentence_model import SentenceModel

_SECTIONS: dict[str, type] = {"model": SentenceModel, "data": BodySettings}


def trained_model_of(config_yaml: str) -> tuple[SentenceModel, BodySettings]:
    """Build the model from the config in a checkpoint, and find its body; nothing is loaded yet.

    Keys that a prediction does not need, such as the learning rate, are not read.

    Raises:
        UsageError: If the config is invalid for this version of qlit.
    """
    config = load_yaml(config_yaml, "the config of the checkpoint")
    parser = ArgumentParser(exit_on_error=False)
    for name, kind in _SECTIONS.items():
        parser.add_class_arguments(kind, name)
    known = {"model": {"head"}, "data": {field.name for field in fields(BodySettings)}}
    read = {
        name: {key: value for key, value in config[name].items() if key in known[name]}
        if isinstance(config[name], dict)
        else config[name]
        for name in _SECTIONS
        if name in config
    }
    with only_listed_imports(), readable_errors():
        find_modules_in_current_folder()
        parsed = parser.parse_object(read)
        check_nulls(parsed, model=SentenceModel, data=BodySettings)
        check_classes(parsed, _SECTIONS)
        made: Namespace = parser.instantiate(parsed)
    return made.model, made.data
