"""Kernels compiled by NVRTC, and kept as cubins in the user's cache. Needs cuda-core and NVRTC, but no GPU.

cuda-core was chosen over CuPy: it compiles without a GPU, and its cache of programs has atomic files and keys of
source, options, architecture and NVRTC's version. CuPy is larger, and brings arrays that torch already has.
"""

import os
from pathlib import Path

from qlit.engines.cuda.sources import Build

ARCHITECTURES = ("sm_75", "sm_80", "sm_86", "sm_89", "sm_90", "sm_100")
"""Those for which tests compile all kernels; others from sm_75 work as far as NVRTC knows them."""

_PREAMBLE = "#define QLIT_SHARED(name) extern __shared__ Real name[]\n"
_MOST_BYTES = 2**28  # of the cache


def cubin_of(build: Build, architecture: str, cache: Path | None) -> bytes:
    """The kernels of a build, compiled or read from a cache.

    Args:
        build: The kernels.
        architecture: Such as sm_90.
        cache: Folder, created where it is missing; None to compile in any case. One that cannot be written is not used.

    Raises:
        ValueError: If NVRTC refuses the architecture or the source.
    """
    from cuda.core import Program, ProgramOptions
    from cuda.core.utils import FileStreamProgramCache

    options = ProgramOptions(
        arch=architecture, std="c++17", define_macro=[f"{name}={value}" for name, value in build.macros.items()]
    )
    try:
        program = Program(_PREAMBLE + build.source, "c++", options)
        if cache is not None:
            try:
                with FileStreamProgramCache(cache, max_size_bytes=_MOST_BYTES) as files:
                    return bytes(program.compile("cubin", cache=files).code)
            except OSError:  # a folder that cannot be written, or a full disk
                pass
        return bytes(program.compile("cubin").code)
    except Exception as error:  # NVRTC's errors have no class that is public
        reason = " ".join(str(error).split())[:300]
        raise ValueError(
            f"Engine 'cuda' could not compile its {build.part} kernels for {architecture}: {reason}. Install an NVRTC "
            "that knows this GPU (pip install --upgrade nvidia-cuda-nvrtc), or take `engine: torch`."
        ) from error


def default_cache() -> Path | None:
    """$XDG_CACHE_HOME/qlit/kernels, else ~/.cache/qlit/kernels; None for a user without a home folder."""
    if caches := os.environ.get("XDG_CACHE_HOME"):
        return Path(caches) / "qlit" / "kernels"
    try:
        return Path.home() / ".cache" / "qlit" / "kernels"
    except RuntimeError:
        return None
