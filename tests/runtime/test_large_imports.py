"""The garbage collector around large imports."""

import gc
import sys

import pytest

from qlit.runtime.large_imports import large_imports


@pytest.fixture(autouse=True)
def _unfrozen():
    yield
    gc.enable()
    gc.unfreeze()


def test_the_collector_rests_meanwhile_and_spares_afterwards_what_was_made(monkeypatch):
    with large_imports():
        assert not gc.isenabled()
        monkeypatch.setitem(sys.modules, "a_library", sys)
        made = [[] for _ in range(1000)]
    assert gc.isenabled()
    assert gc.get_freeze_count() >= len(made)


def test_where_nothing_was_imported_garbage_stays_garbage():
    with large_imports():
        cycle = [[]]
        cycle[0].append(cycle)
    assert gc.isenabled()
    assert gc.get_freeze_count() == 0


def test_it_stays_as_it_was_told_to_be_whatever_goes_wrong():
    gc.disable()
    with pytest.raises(ImportError), large_imports():
        raise ImportError
    assert not gc.isenabled()
