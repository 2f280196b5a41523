"""Stores of tests that train."""

import pytest


@pytest.fixture(scope="module", autouse=True)
def _tables_of_new_stores_are_copied(copied_stores): ...
