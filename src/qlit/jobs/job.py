"""A training as a value: made from config files and options, hashed, found where it was run before, and run."""

import copy
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self, final

from qlit.data.contents import Contents, contents_of
from qlit.jobs.callbacks.interruption import Interruption, outcome_or_stop
from qlit.jobs.callbacks.pruning import Pruning
from qlit.jobs.config.training_parser import kept_config, parse
from qlit.jobs.fit import fit
from qlit.jobs.outcome import Outcome, scores_of_history
from qlit.jobs.session import Session
from qlit.runtime.option_words import option_words
from qlit.tracking.config_hash import HASH, identity_tags
from qlit.tracking.kept_runs import KeptRuns

RESERVED_KEYS = ("data.seed", "seed_everything", "test_after_fit", "ckpt_path", "tracking.run_id", "tracking.run_name")
"""Config keys that a series or a study sets for each of its trainings."""


@final
class Job:
    """One training. Its config is parsed once; no body is loaded, nothing trained and no run opened before `run`.

    Args:
        options: Words of a command line of `qlit fit`: config files and options. They win over `overrides`.
        configs: Config files; later ones win.
        overrides: Values by config key ("model.lr"), as in `option_words`; they win over `configs`.
        from_checkpoint: Whether a checkpoint carries the config, which must not choose a device that may charge.
    Raises:
        UsageError, ValueError: If they cannot be understood, or no trainer can have them.
        SystemExit: After --help.
    """

    def __init__(
        self,
        options: Sequence[str] = (),
        *,
        configs: Sequence[str | Path] = (),
        overrides: Mapping[str, Any] = MappingProxyType({}),
        from_checkpoint: bool = False,
    ) -> None:
        # jsonargparse finds keys of nested classes without their `init_args`, and converts values, on command lines.
        self.options = (*option_words(configs, overrides), *options)
        self._from_checkpoint = from_checkpoint
        self._parsed = parse("fit", self.options)
        self._settings: dict[str, Any] = {}
        self._contents: Contents | None = None
        self._runs: KeptRuns | None = None

    def with_settings(self, settings: Mapping[str, Any]) -> "Job":
        """This training with other values of some keys ("data.seed"); none that names data, a body or a store.

        Contents that this job has looked at are those of the other too, so that their runs belong together.
        """
        other = copy.copy(self)
        other._parsed = self._parsed.clone()
        other._settings = {**self._settings, **settings}
        for key, value in settings.items():
            other._parsed[key] = value
        return other

    @property
    def config(self) -> dict[str, Any]:
        """The resolved config, nested, as its run keeps it: every key, also those left at their defaults."""
        kept: dict[str, Any] = kept_config(self._parsed).as_dict()
        return kept

    @property
    def contents(self) -> Contents:
        """What it reads, as it was when it was first looked at: `run` refuses to train on anything else.

        Raises:
            ValueError, FileNotFoundError, ConnectionError: If data or body cannot be found or read.
        """
        if self._contents is None:
            self._contents = contents_of(self.config["data"])
        return self._contents

    @property
    def hash(self) -> str:
        """The hash by which its runs are known: over config, contents and the version of the numerics.

        Raises:
            ValueError, FileNotFoundError, ConnectionError: As `contents`.
        """
        return identity_tags(self.config, self.contents)[HASH]

    @property
    def runs(self) -> KeptRuns:
        """The store of its runs, to be read.

        Raises:
            ValueError: If its URI is of no known kind.
        """
        if self._runs is None:
            self._runs = KeptRuns(self._parsed.tracking.tracking_uri)
        return self._runs

    def find(self, needed: Collection[str] = ()) -> Outcome | None:
        """The outcome of this training where its experiment has it already: finished, failed (it diverged) or stopped.

        Args:
            needed: Names of scores that a finished run must have to count; without them no scores are read.
        Returns:
            The youngest, finished ones before diverged ones, and these before stopped ones; None if there is none.
        Raises:
            ValueError, FileNotFoundError, ConnectionError: As `contents`, where there is such an experiment; or if a
                server does not answer.
        """
        experiment = self._parsed.tracking.experiment
        if not self.runs.has_experiment(experiment):
            return None
        wanted = experiment, self.hash
        for run_id in self.runs.all_finished(*wanted):
            scores = scores_of_history(self.runs.history(run_id)) if needed else {}
            # A run whose curves were lost, and one of `qlit fit` without what a study logs, are no use.
            if scores.keys() >= set(needed):
                return Outcome("finished", run_id, scores)
        if (diverged := self.runs.diverged(*wanted)) is not None:
            return Outcome("failed", diverged.run_id, reason=diverged.reason)
        if (checkpoint := self.runs.stopped(*wanted)) is not None:
            return Outcome("stopped", checkpoint.parent.name, checkpoint=str(checkpoint))
        return None

    def run(
        self,
        *,
        tags: dict[str, str] | None = None,
        interruption: Interruption | None = None,
        pruning: Pruning | None = None,
    ) -> Outcome:
        """Train and test, in this process or, as rank 0, in several; the outcome.

        Args:
            tags: Of its run, where it is one of many, whose command sums up all of them; None for a run of its own,
                which ends with a summary on standard output.
            interruption: Asked whether to stop, and told why the training stopped.
            pruning: As of `Session`.
        Raises:
            UsageError, ValueError, FileNotFoundError, ConnectionError: If it cannot be made, or cannot go on from its
                checkpoint.
            OutageError: If MLflow, or space on the disk, is away for longer than it is waited for.
        """
        interruption = Interruption() if interruption is None else interruption

        def work() -> Outcome:
            return fit(
                Session(
                    "fit",
                    self._parsed.clone(),
                    self.options,
                    interruption,
                    tags=tags,
                    expected=self._contents,
                    pruning=pruning,
                    from_checkpoint=self._from_checkpoint,
                )
            )

        return outcome_or_stop(work, interruption)

    def to_json(self) -> dict[str, Any]:
        """What another process needs to make this job again, with its contents, as plain values."""
        return {"options": list(self.options), "settings": self._settings, "contents": asdict(self.contents)}

    @classmethod
    def from_json(cls, told: Mapping[str, Any]) -> Self:
        """The job of a `to_json`."""
        job = cls(told["options"]).with_settings(told["settings"])
        job._contents = Contents(**told["contents"])
        return job
