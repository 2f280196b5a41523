"""What the engine `cuda` needs, and a sentence about what is missing."""

from importlib.util import find_spec

import torch

_INSTEAD = "take `engine: auto`, torch or native"
_LEAST_CAPABILITY = (7, 5)


def why_not() -> str | None:
    """Why the engine cannot run here, one sentence with a way out; None if nothing is missing."""
    return _without_packages() or _without_gpu() or _without_compiler()


def _without_packages() -> str | None:
    try:
        found = find_spec("cuda.core") is not None and find_spec("cuda.bindings") is not None
    except ModuleNotFoundError:
        found = False
    if found:
        return None
    return f"Engine 'cuda' needs cuda-core: install it (pip install 'qlit-heads[cuda]'), or {_INSTEAD}."


def _without_gpu() -> str | None:
    if not torch.cuda.is_available():
        reason = (
            "this build of torch has no CUDA: install one that has it (https://pytorch.org/get-started)"
            if torch.version.cuda is None
            else "torch finds no NVIDIA GPU or no driver here: check nvidia-smi and CUDA_VISIBLE_DEVICES"
        )
        return f"Engine 'cuda' needs CUDA, but {reason}, or {_INSTEAD}."
    capability = torch.cuda.get_device_capability()
    if capability < _LEAST_CAPABILITY:
        return (
            f"Engine 'cuda' runs on GPUs of compute capability 7.5 and newer, but {torch.cuda.get_device_name()} has "
            f"{'.'.join(map(str, capability))}: {_INSTEAD}."
        )
    return None


def _without_compiler() -> str | None:
    from cuda.bindings import driver, nvrtc

    try:
        _, *version = nvrtc.nvrtcVersion()
    except RuntimeError:  # of cuda.pathfinder, which looks for libraries
        return (
            "Engine 'cuda' compiles its kernels by NVRTC, which is not installed: install it "
            f"(pip install 'qlit-heads[cuda]'), or {_INSTEAD}."
        )
    _, supported = driver.cuDriverGetVersion()  # 13020 is CUDA 13.2
    if supported // 1000 < version[0]:
        return (
            f"Engine 'cuda' compiles for CUDA {version[0]}, but the driver of this GPU is too old and supports CUDA "
            f"{supported // 1000}.{supported % 1000 // 10}: update the driver, or {_INSTEAD}."
        )
    return None
