"""Check that the weights of a checkpoint fit a module."""

import torch
from torch import Tensor, nn

from qlit.heads import Head, Preprocessing
from qlit.heads.preprocessing import rename_earlier_means


def check_weights(module: nn.Module, saved: dict[str, Tensor]) -> None:
    """Raise a ValueError if a checkpoint's weights do not fit the module, or are not finite."""
    own = dict(module.named_parameters())
    saved = dict(saved)
    for name, part in module.named_modules():
        if isinstance(part, Head):
            rename_earlier_means(part, saved, f"{name}.")
    # Their sizes are results of a fit, and those here may not be fitted.
    fitted = {
        f"{name}.{buffer}"
        for name, part in module.named_modules()
        if isinstance(part, Preprocessing)
        for buffer, _ in part.named_buffers(recurse=False)
    }
    buffers = {name for name, _ in module.named_buffers()}
    missing = sorted((own.keys() | fitted) - saved.keys())
    unknown = sorted(saved.keys() - own.keys() - buffers)
    differing = [
        f"{name} has shape {tuple(saved[name].shape)} there and {tuple(own[name].shape)} here"
        for name in own.keys() & saved.keys()
        if saved[name].shape != own[name].shape
    ]
    problems = [f"{names[0]} is only {where}" for names, where in ((missing, "here"), (unknown, "there")) if names]
    problems += sorted(differing)[:1]
    if problems:
        raise ValueError(
            f"The model in the checkpoint differs from the config: {'; '.join(problems)}. Use the config of its run: "
            "leave out --config, because the checkpoint contains it."
        )
    for name, tensor in saved.items():
        if name in own.keys() | buffers and tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise ValueError(
                f"The checkpoint's weight {name} is not finite: its training diverged, so its results are "
                "meaningless. Train again with a lower learning rate (`model.lr`)."
            )
