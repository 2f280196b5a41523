"""Which models of a comparison are worth their cost: the Pareto front of accuracy against a cost."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from qlit.comparisons.results import Comparison, ModelResult

PARAMETERS, OPERATIONS = "trainable parameters", "operations of an inference"


@dataclass(frozen=True)
class ParetoPoint:
    """A model with its cost.

    Args:
        name: Name of the model.
        accuracy: Mean test accuracy, in [0, 1].
        low, high: Its 95 % interval.
        cost: Its cost; None if it is not known.
        is_on_front: Whether no other model with a known cost is at least as accurate and as cheap, and better in one.
        cheaper: Name of the next cheaper model on the front; None for the cheapest one and outside of the front.
        gain: Mean difference of the accuracies to that model, paired by split; None without one.
        gain_low, gain_high: 95 % interval of the gain.
    """

    name: str
    accuracy: float
    low: float
    high: float
    cost: int | None
    is_on_front: bool
    cheaper: str | None = None
    gain: float | None = None
    gain_low: float | None = None
    gain_high: float | None = None


@dataclass(frozen=True)
class ParetoFront:
    """Accuracy against one cost.

    Args:
        cost: What is counted.
        points: The models, in the order of the comparison.
    """

    cost: str
    points: tuple[ParetoPoint, ...]


def pareto_fronts(comparison: Comparison, operations: Mapping[str, int | None]) -> tuple[ParetoFront, ...]:
    """The fronts of accuracy against parameters and against operations.

    Args:
        comparison: The comparison.
        operations: Floating-point operations of the inference of a sentence by model; None if not known.
    Returns:
        One front for every cost that at least two models have.
    Raises:
        ValueError: If there is none.
    """
    costs: dict[str, dict[str, int | None]] = {
        PARAMETERS: {model.name: model.num_parameters for model in comparison.models},
        OPERATIONS: dict(operations),
    }
    known = {cost: found for cost, found in costs.items() if sum(each is not None for each in found.values()) > 1}
    if not known:
        raise ValueError(
            "A Pareto front needs two models at least whose parameters or operations are known; leave out `--pareto`."
        )
    return tuple(ParetoFront(cost, _points(comparison, found)) for cost, found in known.items())


def _points(comparison: Comparison, costs: Mapping[str, int | None]) -> tuple[ParetoPoint, ...]:
    known = [(model, cost) for model in comparison.models if (cost := costs.get(model.name)) is not None]
    front = sorted((cost, model.mean, model.name) for model, cost in known if not _is_beaten(model.mean, cost, known))
    cheaper: dict[str, str] = {}
    before: str | None = None
    for (cost, _, name), (next_cost, _, next_name) in pairwise(front):
        before = name if cost < next_cost else before
        if before is not None:
            cheaper[next_name] = before
    on_front, points = {name for *_, name in front}, []
    for model in comparison.models:
        gain, low, high = _gain(comparison, model.name, cheaper.get(model.name))
        points.append(
            ParetoPoint(
                model.name, model.mean, model.low, model.high, costs.get(model.name), model.name in on_front,
                cheaper.get(model.name), gain, low, high,
            )
        )  # fmt: skip
    return tuple(points)


def _is_beaten(mean: float, cost: int, others: Sequence[tuple[ModelResult, int]]) -> bool:
    return any(
        other.mean >= mean and other_cost <= cost and (other.mean > mean or other_cost < cost)
        for other, other_cost in others
    )


def _gain(comparison: Comparison, name: str, cheaper: str | None) -> tuple[float | None, float | None, float | None]:
    """Difference of a model to a cheaper one, with its interval."""
    for pair in comparison.pairs:
        low, high = pair.ends
        if (pair.first, pair.second) == (cheaper, name):
            return pair.difference, low, high
        if (pair.first, pair.second) == (name, cheaper):
            return -pair.difference, -high, -low
    return None, None, None
