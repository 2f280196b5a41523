"""Models of the configs in checkpoints, as `qlit predict` makes them: with listed classes alone."""

from qlit.jobs.config.checkpoint_classes import only_listed_imports
from qlit.jobs.config.models import model_of
from qlit.runtime.yaml_text import load_yaml
from qlit.training.datamodule import SentenceDataModule
from qlit.training.module import SentenceClassifier


def model_of_config(config_yaml: str) -> tuple[SentenceClassifier, SentenceDataModule]:
    """The model and the data module of a config; nothing is loaded."""
    with only_listed_imports():
        return model_of(load_yaml(config_yaml, "the config of the checkpoint"))
