"""A training as a value: parsed from config files and options, hashed, looked up among earlier runs, and run."""

import copy
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self, final

from qlit.data.contents import Contents, contents_of
from qlit.jobs.callbacks.interruption import Interruption, outcome_or_stop
from qlit.jobs.callbacks.pruning import Pruning
from qlit.jobs.config.head_sizes import fill_head_sizes
from qlit.jobs.config.training_parser import kept_config, kept_yaml, parse
from qlit.jobs.fit import fit
from qlit.jobs.outcome import Outcome, scores_of_history
from qlit.jobs.session import Session
from qlit.runtime.option_words import option_words
from qlit.tracking.config_hash import HASH, identity_tags
from qlit.tracking.kept_runs import KeptRuns

RESERVED_KEYS = ("data.seed", "seed_everything", "test_after_fit", "ckpt_path", "tracking.run_id", "tracking.run_name")
"""Config keys that a series or a study sets for every training."""


@final
class Job:
    """One training. The config is parsed once; no body is loaded and no run is opened before `run`.

    Args:
        options: Words of a command line of `qlit fit`: config files and options. They win over `overrides`.
        configs: Config files; later ones win.
        overrides: Values by config key ("model.lr"), as in `option_words`; they win over `configs`.
        from_checkpoint: Whether the config comes from a checkpoint, which must not choose a device that may charge.
    Raises:
        UsageError, ValueError: If the config is invalid.
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
        # As words: on a command line, the number 2020 is a valid `data.source`; in a config file it must be quoted.
        self.options = (*option_words(configs, overrides), *options)
        self._from_checkpoint = from_checkpoint
        self._parsed = parse("fit", self.options)
        self._settings: dict[str, Any] = {}
        self._contents: Contents | None = None
        self._identity: dict[str, str] | None = None
        self._runs: KeptRuns | None = None

    def with_settings(self, settings: Mapping[str, Any]) -> "Job":
        """Return the same training with other values of some keys ("data.seed").

        The other job reuses the contents that this one has read, so that their runs belong together. The keys must not
        be those of the data, the body or the store.
        """
        other = copy.copy(self)
        other._identity = None
        other._parsed = self._parsed.clone()
        other._settings = {**self._settings, **settings}
        for key, value in settings.items():
            other._parsed[key] = value
        return other

    @property
    def config(self) -> dict[str, Any]:
        """The resolved config as its run records it: nested, with every key, defaults included."""
        kept: dict[str, Any] = kept_config(self._parsed).as_dict()
        return kept

    @property
    def config_yaml(self) -> str:
        """The resolved config as YAML text, which may contain credentials of a URI."""
        return kept_yaml("fit", kept_config(self._parsed))

    @property
    def contents(self) -> Contents:
        """Contents of data and body when they were first read; `run` refuses to train on anything else.

        Raises:
            ValueError, FileNotFoundError, ConnectionError: If data or body cannot be found or read.
        """
        if self._contents is None:
            self._contents = contents_of(self.config["data"])
        return self._contents

    @property
    def hash(self) -> str:
        """Hash that identifies its runs: over the config, the contents and the version of the numerics.

        Raises:
            ValueError, FileNotFoundError, ConnectionError: As `contents`.
        """
        return self.identity[HASH]

    @property
    def identity(self) -> dict[str, str]:
        """Tags that identify its runs, as of `identity_tags`.

        Raises: as `contents`.
        """
        if self._identity is None:
            sized = self._parsed.clone()
            fill_head_sizes(sized)
            self._identity = identity_tags(kept_config(sized).as_dict(), self.contents)
        return self._identity

    @property
    def runs(self) -> KeptRuns:
        """Reader of the store of its runs.

        Raises:
            ValueError: If the tracking URI is of an unknown kind.
        """
        if self._runs is None:
            self._runs = KeptRuns(self._parsed.tracking.tracking_uri)
        return self._runs

    def find(self, needed: Collection[str] = ()) -> Outcome | None:
        """Look for an earlier run of this training in its experiment.

        Args:
            needed: Names of scores that a finished run must have; if empty, no scores are read.
        Returns:
            The outcome of the youngest finished run; else of the youngest diverged one ("failed"); else of the
            youngest stopped one that can continue; else None.
        Raises:
            ValueError, FileNotFoundError, ConnectionError: As `contents`, if the experiment exists; or if a server does
                not answer.
        """
        experiment = self._parsed.tracking.experiment
        if not self.runs.has_experiment(experiment):
            return None
        wanted, rule = (experiment, self.hash), self._parsed.model.select_by
        for run_id in self.runs.all_finished(*wanted):
            scores = scores_of_history(self.runs.history(run_id), rule) if needed else {}
            # A run may have lost its curves, and a run of `qlit fit` lacks the scores that a study logs.
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
        as_json: bool = False,
    ) -> Outcome:
        """Train and test in this process, or as one rank of several; return the outcome.

        Args:
            tags: Tags of its run if a series or study runs many trainings; None for a single run, which ends with a
                summary on standard output.
            interruption: Callback that stops the training, and records why it stopped.
            pruning, as_json: As of `Session`.
        Raises:
            UsageError, ValueError, FileNotFoundError, ConnectionError: If the training is impossible, or cannot
                continue from its checkpoint.
            OutageError: If MLflow or disk space stays unavailable.
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
                    as_json=as_json,
                )
            )

        return outcome_or_stop(work, interruption)

    def to_json(self) -> dict[str, Any]:
        """Plain values from which another process restores this job, contents included."""
        return {"options": list(self.options), "settings": self._settings, "contents": asdict(self.contents)}

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Self:
        """Restore a job from the plain values of `to_json`."""
        job = cls(plain["options"]).with_settings(plain["settings"])
        job._contents = Contents(**plain["contents"])
        return job
