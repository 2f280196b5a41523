"""configs/studies: the paper's grids, cell by cell, and configs that `qlit fit` understands."""

from pathlib import Path

import pytest

from qlit.jobs.study.setup import checked_configs, job_of
from qlit.studies.designs import cells_of, num_trainings
from qlit.studies.files.study_file import read_study
from qlit.studies.fit_options import fit_options

FOLDER = Path(__file__).resolve().parents[2] / "configs" / "studies"
FILES = sorted(FOLDER.glob("*.yaml"))
# What the tables of arXiv:2504.08732 multiply to.
TRAININGS = {
    "table_06": 5 * 6, "table_07": 5 * 5, "table_08": 11 * 6, "table_09": (193 + 1) * 2 * 3, "table_10": 3 * 7 * 3,
    "table_11": 3 * 3 * 3, "table_12": 2 * 7, "table_13": 5 * 2 * 10 * 3 * 5, "table_14": 5 * 2 * 10 * 3 * 5,
    "table_15": 5 * 2 * 6, "table_16": 5 * 2 * 8 * 3 * 5, "screening": 32 * 3,
    "two_stage": (32 + 40) * 3,
}  # fmt: skip


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_study_has_the_papers_cells_and_can_be_trained(file):
    study = read_study(file)
    assert study.name == file.stem
    assert num_trainings(study) == TRAININGS[file.stem]
    assert checked_configs(study)[0]["tracking"]["experiment"] == file.stem
    said = file.read_text().split("base:")[0]
    assert f"{TRAININGS[file.stem]:,}" in said, "its first lines tell how many trainings"


def test_the_learning_rates_of_table_vi_are_in_the_options():
    cells = cells_of(read_study(FOLDER / "table_06.yaml"))
    assert {cell["model.lr"] for cell in cells} == {0.001, 0.0015, 0.002, 0.0025, 0.003, 0.005}
    options = fit_options(read_study(FOLDER / "table_06.yaml"), cells[-1])
    assert options[-4:] == [
        "--model.head.encoder.num_qubits=18", "--model.head.pqc.num_qubits=18", "--model.lr=0.005",
        "--tracking.experiment=table_06",
    ]  # fmt: skip


def test_without_a_penalty_logistic_regression_has_no_strength():
    study = read_study(FOLDER / "table_09.yaml")
    strengths = [study.settings(cell)["model.head.C"] for cell in cells_of(study)]
    assert strengths.count(None) == 6
    made = job_of(study, cells_of(study)[-1]).config["model"]["head"]["init_args"]
    assert (made["C"], made["class_weight"], made["max_iter"]) == (None, None, 200)
    assert set(strengths) - {None} == {round(0.3 + 0.05 * number, 2) for number in range(193)}
