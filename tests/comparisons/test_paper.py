"""The paper's figures and tables, with the numbers that it prints."""

import pytest
from published import published_file

from qlit.comparisons.paper import CROSSOVER_QUBITS, PARTS
from qlit.comparisons.table_file import read_plan
from qlit.runtime.shipped_configs import shipped_configs


def test_every_plan_is_a_config_of_qlit():
    plans = {part.plan for part in PARTS.values()} | {part.without_series for part in PARTS.values()}
    assert plans - {""} <= shipped_configs().keys()
    assert all(name == part.name for name, part in PARTS.items())


def test_the_printed_accuracies_are_the_published_ones():
    published = published_file()
    rows = [*published["table_II"], *published["table_III"]]
    for name, model in (("fig8a", "single_sqe"), ("fig8b", "multi_sqe")):
        expected = {(row["qubits"],): row["accuracy"] for row in rows if row["model"] == model}
        assert PARTS[name].published == expected
    assert PARTS["fig11"].published == {(*key, None): value for key, value in PARTS["fig8a"].published.items()}
    expected = {(row["final_linear"],): row["accuracy"] for row in published["table_IV"]}
    assert PARTS["table4"].published == expected
    assert published["energy"]["crossover_qubits"] == CROSSOVER_QUBITS


@pytest.mark.parametrize(("part", "table"), [("table2", "table_II"), ("table3", "table_III")])
def test_the_rows_of_the_tables_are_the_published_ones(part, table):
    rows = [row for row in published_file()[table] if row["parameters"] != 435]  # this SVC has no config
    plan = read_plan(shipped_configs()[PARTS[part].plan])
    assert [(row.published, row.parameters) for row in plan.rows] == [
        (row["accuracy"], row["parameters"]) for row in rows
    ]
