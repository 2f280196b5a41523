"""LightningCLI around the classifier, the data and the tracker: a config made into a training or an evaluation."""

import shlex
import signal
from typing import Any

from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import ProgressBar
from lightning.pytorch.cli import LightningArgumentParser, LightningCLI
from lightning.pytorch.strategies.launchers import _SubprocessScriptLauncher

from qlit.data import Origin, expanded, resolve_body
from qlit.data.contents import Contents
from qlit.jobs.cluster import check_requeued, cluster_environment
from qlit.jobs.config.checkpoint_classes import class_paths, names_to_allow
from qlit.jobs.config.checkpoint_config import check_remote_devices, remote_devices
from qlit.jobs.config.checkpoints import body_notice, check_is_no_address, read_checkpoint, read_notes
from qlit.jobs.config.classes import check_classes
from qlit.jobs.config.nulls import FLAGS, check_nulls
from qlit.jobs.config.options import value_of, with_nulls
from qlit.jobs.config.values import listed, plain_config
from qlit.jobs.devices import check_engines, check_precision
from qlit.jobs.interruption import Interruption, leave_sigterm_to_us
from qlit.jobs.recorder import RunRecorder, kept_best
from qlit.jobs.refusals import refusals
from qlit.jobs.resuming import check_resumable
from qlit.jobs.run_status import RunStatus, close_after
from qlit.jobs.summary import evaluation_summary, fit_summary, tell_notices
from qlit.jobs.trainer_checks import check_batches, check_monitors, check_options, check_seed
from qlit.runtime.allowed import allow_options
from qlit.runtime.critical_section import undivided
from qlit.runtime.errors import UsageError
from qlit.runtime.interrupts import StoppedBySignal
from qlit.runtime.secrets import scrub
from qlit.tracking.diverged import diverged_tags
from qlit.tracking.tracker import MLflowTracker
from qlit.training.checkpoints.best_and_last import BestAndLast
from qlit.training.checkpoints.files import AtomicCheckpointIO
from qlit.training.checkpoints.resumption import Resumption
from qlit.training.datamodule import SentenceDataModule
from qlit.training.epoch_loop import use_direct_steps
from qlit.training.evaluation import CHECKPOINT_KEY
from qlit.training.finders import finders, take_found, used_yaml
from qlit.training.fit_notices import FitNotices
from qlit.training.module import SentenceClassifier, Stage
from qlit.training.progress import EpochProgress


class QlitCLI(LightningCLI):
    """The paper's model, data and tracking as one config, with Lightning's trainer options.

    Args:
        arguments: Subcommand and options.
        interruption: Asked whether to stop, and told why it stopped.
        series_tags: Tags of a run that is one of many, whose command sums up all of them; None for a run of its own,
            which ends with a summary.
        expected: Contents that a fit must read; None for any.
        is_of_checkpoint: Whether a checkpoint carries the config, which must not choose a device that may charge.
        options: As of `LightningCLI`.
    """

    tracker: MLflowTracker | None = None
    _is_closed = False

    def __init__(
        self,
        arguments: list[str],
        interruption: Interruption,
        *,
        series_tags: dict[str, str] | None = None,
        expected: Contents | None = None,
        is_of_checkpoint: bool = False,
        **options: Any,
    ) -> None:
        self._is_of_checkpoint = is_of_checkpoint
        self.interruption, self.series_tags, self.expected = interruption, series_tags, expected
        self._arguments = arguments
        self._resumed: dict[str, Any] | None = None  # the checkpoint from which a fit goes on
        self._notes: dict[str, Any] | None = None  # of the checkpoint that the command names
        super().__init__(
            SentenceClassifier,
            SentenceDataModule,
            args=arguments,
            save_config_callback=None,  # the recorder keeps it: Lightning's needs a log folder, which MLflow has not
            seed_everything_default=42,
            auto_configure_optimizers=False,
            load_from_checkpoint_support=False,  # checkpoints carry the config themselves
            trainer_defaults={
                "enable_progress_bar": False,  # EpochProgress costs less and says more
                "enable_model_summary": False,
                "num_sanity_val_steps": 0,
                "log_every_n_steps": 1,
            },
            **options,
        )

    def init_parser(self, **kwargs: Any) -> LightningArgumentParser:
        return super().init_parser(**{**kwargs, "exit_on_error": False})

    def parse_arguments(self, parser: LightningArgumentParser, args: Any) -> None:
        self.config = parser.parse_args(with_nulls(args))
        places = {"model": SentenceClassifier, "data": SentenceDataModule, "tracking": MLflowTracker}
        check_nulls(self.config[self.config.subcommand], FLAGS, **places, trainer=Trainer)
        check_classes(self.config[self.config["subcommand"]])

    def _parse_ckpt_path(self) -> None:
        """Lightning would let hyperparameters in a checkpoint override config and command line; ours hold none."""

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        commands = LightningCLI.subcommands()
        return {name: commands[name] for name in ("fit", "validate", "test")}

    def add_arguments_to_parser(self, parser: LightningArgumentParser) -> None:
        parser.add_class_arguments(MLflowTracker, "tracking")
        parser.add_argument(
            "--test_after_fit", type=bool, default=True, help="Whether a fit ends with the test of its best checkpoint."
        )

    def _set_seed(self) -> None:
        check_seed(self._own_config().seed_everything)
        super()._set_seed()

    def before_instantiate_classes(self) -> None:
        config = self._own_config()
        check_options(config.trainer)
        if config.get("weights_only") is False:
            raise UsageError(
                "weights_only cannot be false: nothing but tensors and plain values is read; leave it out."
            )
        if config.get("ckpt_path"):
            check_is_no_address(config.ckpt_path)
        for section, key in ((config, "ckpt_path"), (config.trainer, "default_root_dir")):
            if section.get(key):
                section[key] = str(expanded(section[key], key))
        if self.series_tags:
            config.tracking.tags = {**(config.tracking.tags or {}), **self.series_tags}
        if (path := self._resumed_from()) is not None:
            self._resumed = read_checkpoint(path, given=self._class_names())
            self._notes = self._resumed[CHECKPOINT_KEY]

    def instantiate_classes(self) -> None:
        with refusals(self._own_config().trainer.as_dict(), making=True):
            super().instantiate_classes()
        stage = self.subcommand
        if (stage == "fit" or stage == "validate" or stage == "test") and (path := self._own_config().ckpt_path):
            self.datamodule.use_checkpoint(Origin.from_notes(self._notes_of(path)), stage)

    def _run_subcommand(self, subcommand: str) -> None:
        try:
            with refusals(self._own_config().trainer.as_dict()):
                super()._run_subcommand(subcommand)
        except BaseException as error:  # also one between fit and test, which no callback hears of
            if not self._is_closed:
                self.interruption.note(self.trainer, error)
                close_after(self.trainer, error)
            launcher = self.trainer.strategy.launcher
            if isinstance(error, StoppedBySignal) and isinstance(launcher, _SubprocessScriptLauncher):
                launcher.kill(signal.SIGKILL)
            raise

    def instantiate_trainer(self, **kwargs: Any) -> Trainer:
        if self.subcommand == "fit":
            self.model.is_tested = bool(self._own_config().test_after_fit)
        initialised = self._get(self.config_init, "trainer")
        keeps_nothing = bool(initialised["barebones"])
        if keeps_nothing:
            kwargs |= {"log_every_n_steps": 0}
        elif initialised["logger"] is not False:
            self.tracker = self._get(self.config_init, "tracking")
            self._continue_run(self.tracker)
            kwargs["logger"] = [self.tracker, *listed(initialised["logger"])]
        self.interruption.go_on_options += "".join(f" {word}" for word in allow_options(self._names_to_allow()))
        if (uri := self._own_config().tracking.tracking_uri) is not None:  # no checkpoint sets it
            self.interruption.go_on_options += f" --tracking.tracking_uri {shlex.quote(scrub(uri))}"
        kept = self.kept_config()
        text = self._parser(self.subcommand).dump(kept, skip_none=False, skip_check=True)
        callbacks: list[Callback] = [
            self.interruption,
            RunStatus(),
            FitNotices(),
            RunRecorder(kept.as_dict(), text, self.expected),
        ]
        resumed_from, given = self._resumed_from(), listed(initialised["callbacks"])
        if resumed_from is not None and self._resumed is not None:
            if searching := finders(given):  # they have found what they look for, before the first epoch
                given = [each for each in given if each not in searching]
                found = take_found(self.model, self.datamodule, self._resumed[CHECKPOINT_KEY]["config"])
                text = used_yaml(text, found)
            callbacks.insert(2, Resumption(resumed_from, text, given))  # its notices are for the recorder
        if any(isinstance(callback, ProgressBar) for callback in given):
            kwargs["enable_progress_bar"] = True  # Lightning takes our default for a user's word against it
        elif not initialised["enable_progress_bar"] and not keeps_nothing:
            callbacks.append(EpochProgress())
        if initialised["enable_checkpointing"] is not False and not keeps_nothing:
            callbacks.append(BestAndLast(resumed_from))
        kwargs["callbacks"] = [*callbacks, *given]
        kwargs["plugins"] = [AtomicCheckpointIO(), *self._environment(initialised), *listed(initialised["plugins"])]
        trainer = super().instantiate_trainer(**kwargs)
        if self.subcommand == "fit" and resumed_from is None:
            self.model.notices += check_requeued(trainer.default_root_dir)
        use_direct_steps(trainer)
        leave_sigterm_to_us(trainer)
        return trainer

    def _names_to_allow(self) -> list[str]:
        """What `--allow` has to name before the checkpoints of this training can be used."""
        return [*names_to_allow(self._class_names()), *remote_devices(self.model.head)]

    def _resumed_from(self) -> str | None:
        """The checkpoint from which a fit goes on."""
        return self._own_config().get("ckpt_path") if self.subcommand == "fit" else None

    def _environment(self, options: dict[str, Any]) -> list[ClusterEnvironment]:
        work = "train the same model" if self.subcommand == "fit" else "score the same checkpoint"
        environment = cluster_environment(options, work=work if self.series_tags is None else None)
        return [] if environment is None else [environment]

    def _continue_run(self, tracker: MLflowTracker) -> None:
        """Let a resumed fit go on in its own run, unless another is named or, with null, a new one is asked for."""
        if self._resumed is None or self._own_config().tracking.run_id is not None:
            return
        if (run_id := self._resumed[CHECKPOINT_KEY].get("run_id")) is not None:
            tracker.continue_run(run_id, as_new=value_of("--tracking.run_id", self._arguments) is not None)

    def kept_config(self) -> Any:
        """The resolved config as a run keeps it: who uses it again makes another run."""
        kept = self._own_config().clone()
        kept.tracking.run_id = None
        if "ckpt_path" in kept:
            kept.ckpt_path = None
        return plain_config(kept)

    def _class_names(self) -> set[str]:
        return {name for name in class_paths(self._own_config()) if isinstance(name, str)}

    def _notes_of(self, path: str) -> dict[str, Any]:
        """The notes of the checkpoint that the command names, read once: it may be large."""
        if self._notes is None:
            self._notes = read_notes(path, given=self._class_names())
        return self._notes

    def _own_config(self) -> Any:
        return self.config[self.subcommand] if self.subcommand else self.config

    def check_config(self) -> None:
        """Raise a ValueError for what can be known to be wrong before anything is embedded or tracked."""
        check_engines(self.model.head)
        if self._is_of_checkpoint:
            check_remote_devices(self.model.head, self._arguments)
        check_precision(self.model.head, str(self.trainer.precision))
        if self.subcommand == "fit":
            check_monitors(self.trainer, self.model)
            parts = ["train", "val", *(["test"] if self._own_config().test_after_fit else [])]
        else:
            parts = ["val" if self.subcommand == "validate" else "test"]
            if not getattr(self.trainer, f"limit_{parts[0]}_batches"):
                raise ValueError(
                    f"`trainer.limit_{parts[0]}_batches` is 0, so there is nothing to {self.subcommand}; leave it out."
                )
        check_batches(self.trainer, self.datamodule, parts)

    def _check_before_work(self, **_: Any) -> None:
        self.check_config()
        self._check_body()
        if self.tracker is not None:
            self.tracker.check()

    before_validate = before_test = _check_before_work

    def before_fit(self, **_: Any) -> None:
        self._check_before_work()
        self.check_resume()

    def _check_body(self) -> None:
        """Say if the body has other files than the checkpoint's; raise a ValueError if a fit would go on with it."""
        if not (path := self._own_config().ckpt_path) or self.datamodule.is_body_trainable:
            return
        data = self.datamodule
        body = resolve_body(data.body_name, trust_remote_code=data.trust_remote_code)
        if (notice := body_notice(self._notes_of(path), body, data)) is None:
            return
        if self.subcommand == "fit":
            raise ValueError(f"{notice.text} Restore the body, or train from the beginning.")
        self.model.notices.append(notice)

    def check_resume(self) -> None:
        """Raise if the fit cannot go on from its checkpoint, and let go of that."""
        if (path := self._resumed_from()) is not None and self._resumed is not None:
            tests = self._own_config().test_after_fit
            check_resumable(path, self._resumed, self.trainer, self.tracker, tests=tests)
            self._resumed = None  # it may be large

    def after_fit(self) -> None:
        config, checkpoints = self._own_config(), self.trainer.checkpoint_callback
        best, last = (getattr(checkpoints, f"{name}_model_path", "") for name in ("best", "last"))
        # They would search again before the test.
        for callback in finders(self.trainer.callbacks):  # type: ignore[attr-defined]
            self.trainer.callbacks.remove(callback)  # type: ignore[attr-defined]
        self.interruption.raise_if_lost()
        scores: dict[str, float] = {}
        if config.test_after_fit and (best or self.model.divergence is None):
            # Without checkpoints (a dry run), the weights at hand are what there is to test.
            self.trainer.test(self.model, self.datamodule, ckpt_path=best or None, verbose=False, weights_only=True)
            scores = self._scores("test") if "test" in self.model.evaluations else {}
        self.before_close()
        self._close()  # first: a summary that cannot be printed changes nothing of the run
        if self.trainer.is_global_zero and self.series_tags is None:
            kept, unlisted = kept_best(self.trainer), self._names_to_allow()
            summary = fit_summary(
                self.model, self.datamodule, self.tracker, best, kept, scores, last_checkpoint=last, allow=unlisted
            )
            print(summary)
        elif self.trainer.is_global_zero:
            tell_notices([*self.datamodule.notices, *self.model.notices])

    def before_close(self) -> None:
        """Implement to add to the record of a fit that was trained and tested."""

    def after_validate(self) -> None:
        self._print_scores("val")

    def after_test(self) -> None:
        self._print_scores("test")

    def _print_scores(self, stage: Stage) -> None:
        self._close()
        if self.trainer.is_global_zero and self.model.divergence is None:
            print(evaluation_summary(self.model, self.datamodule, self.tracker, stage, self._scores(stage)))

    def _scores(self, stage: str) -> dict[str, float]:
        """Of the last evaluation, by name; empty if it had no batches."""
        found = self.trainer.callback_metrics.items()
        return {name: value.item() for name, value in found if name.startswith(f"{stage}/")}

    def _prepare_subcommand_kwargs(self, subcommand: str) -> dict[str, Any]:
        options = super()._prepare_subcommand_kwargs(subcommand)
        if subcommand != "fit":
            options["verbose"] = False  # the summary says it
        return {**options, "weights_only": True}

    @undivided()  # a run that has come to its end is closed with its own status
    def _close(self) -> None:
        self._is_closed = True
        diverged = self.model.divergence
        if self.tracker is not None and diverged is not None:
            self.tracker.set_tags(diverged_tags(diverged.epoch))
            self.tracker.close("FAILED", diverged.text)
        elif self.tracker is not None:
            self.tracker.close("FINISHED")
