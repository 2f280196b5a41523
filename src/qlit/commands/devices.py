"""Devices that a head's circuits run on: whether they can be used here."""

import torch

from qlit.commands.cost import circuits_of
from qlit.heads import Head


def check_engines(head: Head) -> None:
    """Raise a ValueError, before any work, if an engine of a head lacks a package, a plugin or a key."""
    for used in circuits_of(head, torch.device("cpu")).values():
        if missing := used.engine.missing():
            raise ValueError(missing)
