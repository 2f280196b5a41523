"""Read the design of a study file, and check that it fits the factors."""

from collections.abc import Sequence
from typing import Any

from qlit.runtime.yaml_values import mapping, number, plain_key, shown, whole
from qlit.studies.definition import Factor, Study
from qlit.studies.design_kinds import DESIGNS, MAX_CELLS, SEARCHES, TWO_LEVEL, TWO_STAGE, Design
from qlit.studies.designs import cells_of
from qlit.studies.effects import LEAST_RESIDUAL_DF

_SIZED = {"latin_hypercube": "num_cells", "sobol": "num_cells", **dict.fromkeys(SEARCHES, "num_trials")}


def read_design(value: Any) -> Design:
    """Read a design, given by its name or its settings.

    Raises:
        ValueError: If there is no such design.
    """
    given = mapping({"kind": value} if isinstance(value, str) else value, "`design`")
    if given.get("kind") == TWO_STAGE:
        return _two_stage(given)
    return _one_stage(given, "design", (*DESIGNS, *SEARCHES), f", {TWO_STAGE}")


def _one_stage(given: dict[str, Any], where: str, kinds: Sequence[str], others: str = "") -> Design:
    kind = str(given.get("kind"))
    if kind not in kinds:
        raise ValueError(f"`{where}.kind` must be one of {', '.join(kinds)}{others}, but got {shown(kind)}.")
    sized = _SIZED.get(kind)
    known = ("kind", "seed", *((sized,) if sized else ()), *(("resolution",) if kind == "fractional_factorial" else ()))
    mapping(given, f"the design {kind!r}", known)
    if sized and sized not in given:
        raise ValueError(f"the design {kind!r} needs `{sized}`.")
    size = whole(given[sized], f"`{where}.{sized}`", 2, MAX_CELLS) if sized else 0
    if kind == "sobol" and size & (size - 1):
        raise ValueError(f"a Sobol sequence is balanced for powers of 2 only, but got num_cells={size}.")
    resolution = whole(given.get("resolution", 4), f"`{where}.resolution`", 3, 5)
    return Design(kind, resolution, size, whole(given.get("seed", 0), f"`{where}.seed`", 0))


def _two_stage(given: dict[str, Any]) -> Design:
    mapping(given, f"the design {TWO_STAGE!r}", ("kind", "screen", "search", "keep", "significance"))
    if missing := [name for name in ("screen", "search") if name not in given]:
        raise ValueError(f"the design {TWO_STAGE!r} needs `{missing[0]}`, which describes one of its two stages.")
    screen, search = (
        mapping({"kind": value} if isinstance(value, str) else value, f"`design.{name}`")
        for name, value in (("screen", given["screen"]), ("search", given["search"]))
    )
    keep, significance = given.get("keep"), given.get("significance")
    if keep is None and significance is None:
        raise ValueError(f"the design {TWO_STAGE!r} needs `keep` or `significance`, to decide which factors to search.")
    if significance is not None and not 0 < number(significance, "`design.significance`") < 1:
        raise ValueError(f"`design.significance` must be between 0 and 1, but got {significance}.")
    return Design(
        TWO_STAGE,
        screen=_one_stage(screen, "design.screen", TWO_LEVEL),
        # nsga2 is for several objectives, but a screening has only one.
        search=_one_stage(search, "design.search", [kind for kind in SEARCHES if kind != "nsga2"]),
        keep=None if keep is None else whole(keep, "`design.keep`", 1),
        significance=None if significance is None else number(significance, "`design.significance`"),
    )


def check_factors(factors: Sequence[Factor], design: Design) -> None:
    """Check that a design can vary the factors.

    Raises:
        ValueError: If a factor depends on a missing factor or level, or its levels do not fit the design.
    """
    _check_keys(factors)
    for place, factor in enumerate(factors):
        earlier = {each.name: each for each in factors[:place]}
        for other, levels in factor.when.items():
            if other not in earlier or earlier[other].is_range:
                raise ValueError(
                    f"factor {factor.name!r} depends on {other!r}, which must be a factor with `values` above it."
                )
            if unknown := [level for level in levels if level not in earlier[other].labels]:
                raise ValueError(
                    f"factor {factor.name!r} depends on {other!r} being {shown(unknown[0])}, which is not one of its "
                    "values."
                )
        if factor.when and not (design.is_search or design.kind == "full_factorial"):
            raise ValueError(
                f"in a {design.kind} every factor is active in every cell, but {factor.name!r} has `when`."
            )
        if design.sampling.kind == "gp" and factor.is_integer and factor.num_steps >= MAX_CELLS:
            raise ValueError(
                f"the search 'gp' allows at most {MAX_CELLS:,} whole numbers, but {factor.name!r} has more: set a "
                "`step`, or write its ends as 1.0, not 1."
            )
        if design.kind == "full_factorial" and factor.is_range and factor.step is None and not factor.is_integer:
            raise ValueError(f"a full factorial needs the values of {factor.name!r}: list them, or set a `step`.")
        if factor.screen and design.screen is None:
            raise ValueError(f"factor {factor.name!r} has `screen`, which only a {TWO_STAGE} design uses.")
        if design.screen is not None and len(factor.screened.levels) != 2:
            raise ValueError(
                f"a screening has two levels per factor, but {factor.name!r} has {len(factor.levels)}; name two of "
                "them with `screen`."
            )
        if design.kind in TWO_LEVEL and not factor.is_range and len(factor.levels) != 2:
            raise ValueError(
                f"a {design.kind} has two levels per factor, but {factor.name!r} has {len(factor.levels)}; name two."
            )


def _check_keys(factors: Sequence[Factor]) -> None:
    """Raise a ValueError if two factors set the same key, or a key and a part of it, in the same cell.

    A later factor may set the key of an earlier one if it depends on that one by `when`.
    """
    conditions: list[dict[str, set[str]]] = []
    for later in factors:
        conditions.append(_conditions(later, factors[: len(conditions)], conditions))
        for earlier, before in zip(factors, conditions[:-1], strict=False):
            if earlier.name in conditions[-1] or _exclude(before, conditions[-1]):
                continue
            for first in map(plain_key, earlier.keys):
                for second in map(plain_key, later.keys):
                    if first == second or first.startswith(f"{second}.") or second.startswith(f"{first}."):
                        raise ValueError(
                            f"the factors {shown(earlier.name)} and {shown(later.name)} both set {shown(second)}; "
                            "remove it from one of them, or give the later one `when`."
                        )


def _conditions(factor: Factor, earlier: Sequence[Factor], known: Sequence[dict[str, set[str]]]) -> dict[str, set[str]]:
    """Levels of earlier factors for which a factor is active, including those that its conditions depend on."""
    found: dict[str, set[str]] = {}
    for other, conditions in zip(earlier, known, strict=True):
        if other.name in factor.when:
            found |= {**conditions, other.name: set(map(str, factor.when[other.name]))}
    return found


def _exclude(first: dict[str, set[str]], second: dict[str, set[str]]) -> bool:
    """Whether no cell can satisfy both conditions."""
    return any(name in second and not levels & second[name] for name, levels in first.items())


def check_two_stages(study: Study) -> None:
    """Check that the screening of a two-stage study can decide which factors matter.

    Raises:
        ValueError: If it cannot, or if there is nothing to decide.
    """
    design, num_factors = study.design, len(study.factors)
    if design.screen is None:
        return
    if len(study.objectives) > 1 or not study.objectives[0].metric.startswith("val/"):
        raise ValueError(f"a {TWO_STAGE} design needs one objective, a `val/` score, to judge the factors by.")
    if design.keep is not None and design.keep >= num_factors:
        raise ValueError(
            f"`design.keep` must be less than the number of factors, {num_factors}, but got {design.keep}; to search "
            "all of them, use the search itself as the design."
        )
    if design.significance is None:
        return
    trainings = len(cells_of(study)) * len(study.replicates)
    left = trainings - num_factors - len({each.split for each in study.replicates})
    if left < LEAST_RESIDUAL_DF:
        raise ValueError(
            f"{trainings} trainings of {num_factors} factors leave {max(left, 0)} residual degrees of freedom, but "
            f"`significance` needs {LEAST_RESIDUAL_DF}; set more `replicates`, or `keep` instead."
        )
