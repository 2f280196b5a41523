"""Results of the paper's parts on made-up fits, without a store and without configs."""

from dataclasses import replace

from qlit.comparisons.paper import PARTS
from qlit.comparisons.planned_cells import Energies, PartResult, PlannedCell, ToTrain, sources_of, values_of
from qlit.tracking.config_hash import BODY, DATA, HASH_WITHOUT_SEEDS
from qlit.tracking.ended_fits import EndedFit

LEVELS = {
    "table4": [{"F": flag, "model.lr": rate} for flag in (True, False) for rate in (1e-3, 2e-3)],
    "fig8a": [{"qubits": number, "model.lr": rate} for number in (10, 12, 14) for rate in (1e-3, 2e-3)],
    "fig9": [{"R": r, "M": m, "model.lr": rate} for r in (4, 6) for m in (2, 3) for rate in (1e-3, 2e-3)],
    "fig11": [
        {"noise": noise, "qubits": number, "model.lr": 1e-3} for noise in (None, "[0.1, 0.2]") for number in (10, 12)
    ],
}


def ended(run_id, accuracy, *, seed=0, data="sst2", body="mpnet", epochs=800, diverged=False):
    return EndedFit(
        run_id,
        "1",
        {
            "data.source": f"/x/{data}", "data.body": f"/y/{body}", "trainer.max_epochs": str(epochs),
            "data.seed": str(seed), "seed_everything": str(seed), "parameters.total": "353",
        },
        {
            DATA: f"{data}-contents", BODY: f"{body}-contents", HASH_WITHOUT_SEEDS: "f", "data.num_test": "200",
            "split.fingerprint": f"split-{seed}", "git.commit": "c0ffee" * 7,
            **({"diverged": "true"} if diverged else {}),
        },
        {"test/accuracy": accuracy, "best/val/accuracy": accuracy},
    )  # fmt: skip


def cells_of(name):
    if name in ("table2", "fig12"):
        rows = [("a <row>", 90.21, 353), ("another row", 91.0, None), ("a third row", 92.5, 10)]
        return [PlannedCell(row, {}, row, 2, 800, published, size) for row, published, size in rows]
    part = PARTS[name]
    return [
        PlannedCell(
            ", ".join(f"{key} {level}" for key, level in levels.items()), levels, str(levels), 1, 800,
            part.published.get(tuple(levels[key] for key in (part.x, part.series) if key)),
        )
        for levels in LEVELS[name]
    ]  # fmt: skip


def result_of(name, fits=None, *, history=None):
    """Result of a part.

    Args:
        fits: Fits by the number of their cell.
    """
    if name == "fig5":
        energies = Energies((44, 45, 46, 47), (3.0, 3.1, 3.2, 3.3), (1.0, 2.0, 3.5, 7.0), 46)
        return PartResult(PARTS[name], (), energies=energies)
    cells = cells_of(name)
    values = values_of(cells, {cells[number].key: mine for number, mine in (fits or {}).items()})
    result = PartResult(PARTS[name], tuple(cells), tuple(values), tuple(sources_of(values)), history=history)
    missing = result.missing(result.sources[0] if result.sources else None)
    to_train = tuple(ToTrain(cell, f"qlit fit --config 'x & y' {number}", 60.0) for number, cell in enumerate(missing))
    return replace(result, to_train=to_train, commands=("qlit table x",) if to_train else ())
