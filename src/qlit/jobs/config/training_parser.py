"""Parse and check the config and the options of `qlit fit`, `validate` and `test`; nothing is instantiated."""

from collections.abc import Sequence
from functools import cache
from typing import Any, Literal

import lightning.pytorch as pl
from jsonargparse import Namespace
from lightning.pytorch import Trainer
from lightning.pytorch.cli import LightningArgumentParser

from qlit.jobs.checks.trainer import check_options
from qlit.jobs.config.classes import check_classes
from qlit.jobs.config.current_folder import find_modules_in_current_folder
from qlit.jobs.config.nulls import FLAGS, check_nulls
from qlit.jobs.config.options import readable_errors, with_nulls
from qlit.jobs.config.values import plain_config
from qlit.tracking.tracker import MLflowTracker
from qlit.training.datamodule import NUM_PER_LABEL, SentenceDataModule
from qlit.training.module import SentenceClassifier

Command = Literal["fit", "validate", "test"]

_DESCRIPTIONS = {
    "fit": "Train a head on the embeddings of a frozen body, and test its best checkpoint.",
    "validate": "Score a checkpoint on the validation split.",
    "test": "Score a checkpoint on the test split.",
}
TRAINER_DEFAULTS = {
    "enable_progress_bar": False,  # EpochProgress is cheaper and shows more
    "enable_model_summary": False,
    "num_sanity_val_steps": 0,
    "log_every_n_steps": 1,
}
_NO_OPTIONS = {"model", "datamodule", "dataloaders", "train_dataloaders", "val_dataloaders"}
"""Arguments of the trainer's methods that come from other parts of the config."""


@cache
def training_parser(command: Command) -> LightningArgumentParser:
    """The parser of a command."""
    parser = LightningArgumentParser(
        prog=f"qlit {command}",
        description=_DESCRIPTIONS[command],
        exit_on_error=False,
        dump_header=[f"lightning.pytorch=={pl.__version__}"],  # type: ignore[attr-defined]
    )
    parser.add_argument("-c", "--config", action="config", help="A config file, YAML or JSON; later ones win.")
    parser.add_argument(
        "--seed_everything",
        type=bool | int,
        default=42,
        help="Seed of starting parameters, shots and noise; false sets none.",
    )
    parser.add_lightning_class_args(Trainer, "trainer")
    parser.set_defaults({f"trainer.{name}": value for name, value in TRAINER_DEFAULTS.items()})
    parser.add_lightning_class_args(SentenceClassifier, "model")
    parser.add_lightning_class_args(SentenceDataModule, "data")
    parser.add_class_arguments(MLflowTracker, "tracking")
    parser.add_argument(
        "--test_after_fit", type=bool, default=True, help="Whether a fit ends with the test of its best checkpoint."
    )
    parser.add_method_arguments(Trainer, command, skip={*_NO_OPTIONS})
    return parser


def parse(command: Command, arguments: Sequence[str]) -> Namespace:
    """Parse and check the config of a command.

    Args:
        command: The command.
        arguments: Words of its command line, `--config` included.
    Raises:
        UsageError, ValueError: If the config is invalid.
        SystemExit: After --help.
    """
    find_modules_in_current_folder()
    with readable_errors():
        config: Namespace = training_parser(command).parse_args(with_nulls(arguments))
        places = {"model": SentenceClassifier, "data": SentenceDataModule, "tracking": MLflowTracker}
        check_nulls(config, FLAGS, **places, trainer=Trainer)
        check_classes(config)
    check_options(config.trainer)
    if config.data.num_per_label is None and config.data.splits == "few_shot":
        config.data.num_per_label = NUM_PER_LABEL  # as every run has recorded it
    return config


def kept_config(config: Namespace) -> Any:
    """A parsed config as its run records it: without the keys that continue an earlier run."""
    kept = config.clone()
    kept.tracking.run_id = None
    if "ckpt_path" in kept:
        kept.ckpt_path = None
    return plain_config(kept)


def kept_yaml(command: Command, kept: Any) -> str:
    """`kept_config` as YAML text."""
    return str(training_parser(command).dump(kept, skip_none=False, skip_check=True))
