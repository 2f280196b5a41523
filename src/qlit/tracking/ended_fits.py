"""Fits of a store that finished or diverged, with what their runs say about themselves; no file of a run is read."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qlit.tracking.config_hash import BODY, DATA, HASH, HASH_WITHOUT_SEEDS, RULES
from qlit.tracking.diverged import DIVERGED, is_finite
from qlit.tracking.kept_runs import KeptRuns


@dataclass(frozen=True)
class Source:
    """Data and body of a run. Two sources are equal if their contents are, wherever they lie.

    Args:
        data: Fingerprint of the sentences or vectors.
        body: Fingerprint of the body's files; "none" for embeddings of a file.
        data_name: Name of the data set or file.
        body_name: Name of the body; empty for embeddings of a file.
    """

    data: str
    body: str
    data_name: str
    body_name: str

    @property
    def name(self) -> str:
        """Data and body in words."""
        if not self.body_name:
            return f"embeddings {self.data_name}"
        return f"{self.data_name} with {self.body_name}"

    @property
    def key(self) -> tuple[str, str]:
        """Fingerprints of data and body, which identify the source."""
        return self.data, self.body


@dataclass(frozen=True, eq=False)
class EndedFit:
    """A fit that finished and was tested, or that diverged.

    Args:
        run_id: Its id in MLflow.
        experiment_id: Id of its experiment there.
        params: Its parameters by name.
        tags: Its tags by name.
        metrics: Last values of its metrics by name.
    """

    run_id: str
    experiment_id: str
    params: Mapping[str, str]
    tags: Mapping[str, str]
    metrics: Mapping[str, float]

    @property
    def has_diverged(self) -> bool:
        return self.tags.get(DIVERGED) == "true"

    @property
    def family(self) -> str:
        """Hash that runs share which differ in their seeds alone."""
        return self.tags[HASH_WITHOUT_SEEDS]

    @property
    def source(self) -> Source:
        """Its data and its body."""
        place = self.params.get("data.embeddings")
        body = "" if place else self.params.get("data.body", "unknown")
        data = place or self.params.get("data.source", "unknown")
        is_hub_name = data.count("/") == 1 and not data.startswith((".", "/")) and not Path(data).suffix
        return Source(
            self.tags[DATA], self.tags[BODY], data if is_hub_name else Path(data).name or data, Path(body).name
        )

    @property
    def seeds(self) -> tuple[str, str]:
        """Seed of the split, and seed of parameters and shots."""
        return self.params.get("data.seed", ""), self.params.get("seed_everything", "")

    @property
    def split(self) -> str:
        """Fingerprint of its split."""
        return self.tags.get("split.fingerprint", "")

    @property
    def num_test(self) -> int:
        """Number of its test sentences."""
        return int(self.tags.get("data.num_test", "0"))

    @property
    def accuracy(self) -> float:
        """Test accuracy, in [0, 1]."""
        return self.metrics["test/accuracy"]

    @property
    def validation_accuracy(self) -> float | None:
        """Validation accuracy of the tested epoch, in [0, 1]; None without one."""
        return self.metrics.get("best/val/accuracy", self.metrics.get("val/accuracy"))

    @property
    def epochs(self) -> int | None:
        """Maximum number of epochs; None if it is not known."""
        value = self.params.get("trainer.max_epochs", "")
        return int(value) if value.isdecimal() else None

    @property
    def parameters(self) -> int | None:
        """Number of trainable parameters; None if it is not known."""
        value = self.params.get("parameters.total", "")
        return int(value) if value.isdecimal() else None

    @property
    def commit(self) -> str:
        """Commit of its code, with a + if files were changed; outside a git checkout, the version."""
        commit = self.tags.get("git.commit", "")
        if not commit or commit == "unknown":
            return self.tags.get("qlit.version", "unknown")
        return commit[:10] + "+" * (self.tags.get("git.dirty") == "true")


@dataclass(frozen=True)
class EndedFits:
    """The fits of a store that count, and how many do not.

    Args:
        fits: Fits of the present numerics, the youngest first.
        num_other_numerics: Number of finished fits of other versions of the numerics, whose numbers may differ.
    """

    fits: tuple[EndedFit, ...]
    num_other_numerics: int


def ended_fits(runs: KeptRuns, experiment: str | None = None) -> EndedFits:
    """Fits that finished with test scores, or diverged, from their first epoch on with one config.

    Args:
        runs: The store.
        experiment: Name of the only experiment to look at; None for all.
    Raises:
        ValueError: If there is no experiment of this name.
        ConnectionError: If a server does not answer.
    """
    from qlit.engines.numerics import NUMERICS  # here because qlit.engines imports torch

    if experiment is not None and not runs.has_experiment(experiment):
        known = ", ".join(sorted(runs.experiments())) or "none"
        raise ValueError(f"There is no experiment {experiment!r} in MLflow; the experiments there are: {known}.")
    finished = [_ended(run) for run in runs.search("attributes.status = 'FINISHED'", experiment)]
    tested = [each for each in finished if _is_tested(each)]
    broken = [_ended(run) for run in runs.search(f"tags.{DIVERGED} = 'true'", experiment)]
    fits = [each for each in (*tested, *broken) if _is_fit(each) and each.tags[RULES] == str(NUMERICS)]
    others = [each for each in tested if _is_fit(each) and each.tags[RULES] != str(NUMERICS)]
    return EndedFits(tuple(fits), len(others))


def _ended(run: Any) -> EndedFit:
    data = run.data
    return EndedFit(str(run.info.run_id), str(run.info.experiment_id), dict(data.params), dict(data.tags), data.metrics)


def _is_tested(fit: EndedFit) -> bool:
    scores = [fit.metrics.get(f"test/{name}", 0.0) for name in ("loss", "accuracy")]
    return "test/accuracy" in fit.metrics and all(map(is_finite, scores)) and not fit.has_diverged and fit.num_test > 0


def _is_fit(fit: EndedFit) -> bool:
    """Whether a run has the identity of a training that kept its config; tests of checkpoints have none."""
    is_whole = {HASH, HASH_WITHOUT_SEEDS, DATA, BODY, RULES} <= fit.tags.keys()
    return is_whole and not {f"resumed.{HASH}", "resumed.checkpoint"} & fit.tags.keys()
