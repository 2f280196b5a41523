"""The CUDA kernels, compiled by NVRTC for every supported GPU, which needs none; and the cache of compiled kernels."""

import pytest
import torch

from qlit.engines.cuda.compiler import ARCHITECTURES, cubin_of, default_cache
from qlit.engines.cuda.sources import Build, every_build

nvrtc = pytest.importorskip("cuda.bindings.nvrtc", reason="cuda-core is not installed (extra `cuda`)")
pytest.importorskip("cuda.core", reason="cuda-core is not installed (extra `cuda`)")
try:
    nvrtc.nvrtcVersion()
except RuntimeError:
    pytest.skip("NVRTC is not installed (extra `cuda`)", allow_module_level=True)

TABLES = Build("tables", torch.float32)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_every_kernel_compiles(architecture):
    for build in every_build():
        cubin = cubin_of(build, architecture, None)
        assert cubin.startswith(b"\x7fELF")
        for kernel in build.kernels:
            assert f".text.{kernel}\0".encode() in cubin  # the section of its code


def test_an_architecture_that_nvrtc_does_not_know_is_refused():
    with pytest.raises(
        ValueError, match=r"could not compile its tables kernels for sm_12: .*Install an NVRTC that knows"
    ):
        cubin_of(TABLES, "sm_12", None)


def test_compiled_kernels_are_kept_by_source_type_and_architecture(tmp_path, monkeypatch):
    cache = tmp_path / "new" / "kernels"

    def kept():
        return {path.read_bytes() for path in cache.rglob("*") if path.is_file()}

    first = cubin_of(TABLES, "sm_75", cache)
    assert kept() == {first}
    assert cubin_of(TABLES, "sm_75", cache) == first
    assert len(kept()) == 1
    cubin_of(TABLES, "sm_80", cache)
    cubin_of(Build("tables", torch.float64), "sm_75", cache)
    assert len(kept()) == 3
    changed = TABLES.source + "\n// another version"
    monkeypatch.setattr(Build, "source", changed)
    cubin_of(TABLES, "sm_75", cache)
    assert len([path for path in cache.rglob("*") if path.is_file()]) == 4


def test_a_kept_kernel_is_not_compiled_again(tmp_path, monkeypatch):
    from cuda.core import utils

    class Counting(utils.FileStreamProgramCache):
        stored = 0

        def __setitem__(self, key, value):
            Counting.stored += 1
            super().__setitem__(key, value)

    monkeypatch.setattr(utils, "FileStreamProgramCache", Counting)
    assert cubin_of(TABLES, "sm_90", tmp_path) == cubin_of(TABLES, "sm_90", tmp_path)
    assert Counting.stored == 1


def test_a_cache_that_cannot_be_written_is_not_used(tmp_path):
    (tmp_path / "file").write_text("in the way")
    assert cubin_of(TABLES, "sm_75", tmp_path / "file").startswith(b"\x7fELF")
    assert (tmp_path / "file").read_text() == "in the way"


def test_the_cache_is_in_the_users_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache() == tmp_path / "qlit" / "kernels"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert default_cache() == tmp_path / "home" / ".cache" / "qlit" / "kernels"
