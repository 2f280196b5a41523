"""Buffers that a fit to the training split fills once, so that checkpoints contain plain tensors."""

from typing import Any

import torch
from torch import Tensor, nn


class FittedBuffers(nn.Module):
    """Part of a module whose own buffers are empty until they are fitted, or loaded from a checkpoint."""

    def keep(self, **buffers: Any) -> None:
        """Set buffers to tensors, arrays or numbers, in the type and on the device that the buffers have."""
        for name, value in buffers.items():
            old = self.get_buffer(name)
            setattr(self, name, torch.as_tensor(value, dtype=old.dtype).to(old.device))

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        for name, own in self.named_buffers(recurse=False):
            saved = state_dict.get(prefix + name)
            if isinstance(saved, Tensor):  # their sizes are a result of the fit
                setattr(self, name, torch.zeros_like(saved, dtype=own.dtype, device=own.device))
        super()._load_from_state_dict(state_dict, prefix, *args)


def check_fitted(buffer: Tensor, name: str) -> None:
    """Raise a ValueError if a buffer of the module with this name is still empty."""
    if not buffer.numel():
        raise ValueError(f"{name} has not been fitted: call `fit` first.")
