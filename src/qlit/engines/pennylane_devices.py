"""PennyLane devices by name: their properties, and what is missing to use them. Never contacts a device."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from importlib.metadata import entry_points
from importlib.util import find_spec
from typing import Literal, TypeVar

import yaml

GradientMethod = Literal["backprop", "adjoint", "parameter-shift"]
Option = str | int | float | bool

# Local simulators with exact values, and their gradient methods. Any other device is treated as a remote one that may
# charge for circuits; so is qiskit.aer, which samples even when asked for exact values.
_LOCAL: dict[str, GradientMethod] = {
    "default.qubit": "backprop",
    "default.mixed": "backprop",
    "lightning.qubit": "adjoint",
    "lightning.kokkos": "adjoint",
    "lightning.gpu": "adjoint",
}
# Packages and environment variables by the beginning of a device's name.
_PACKAGES = {
    "lightning.qubit": "pennylane-lightning",
    "lightning.kokkos": "pennylane-lightning-kokkos",
    "lightning.gpu": "pennylane-lightning-gpu",
    "ionq.": "pennylane-ionq",
    "qiskit.aer": "pennylane-qiskit",
    "qiskit.basicsim": "pennylane-qiskit",
}
_KEYS = {"ionq.": ("IONQ_API_KEY", "PENNYLANE_IONQ_API_KEY")}

_CREDENTIAL_NAME = re.compile(r"key|token|secret|passw|credential|auth", re.IGNORECASE)
_PLAIN_VALUE = re.compile(r"[\w.+'\"-]{1,100}")
_CREDENTIAL_VALUE = re.compile(r"(?=.*\d)(?=.*[A-Za-z])[\w-]{28,}")  # unlike any backend's name


@dataclass(frozen=True)
class Device:
    """A PennyLane device: its name and options.

    Args:
        name: As `qml.device` takes it: default.qubit, lightning.qubit, ionq.qpu, ..
        options: Keyword arguments of the device, except wires and shots.

    Raises:
        ValueError: If the name is empty or a misspelt simulator, or an option looks like a credential: credentials are
            read only from the environment, because configs end up in logs and checkpoints.
    """

    name: str
    options: Mapping[str, Option] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.name:
            raise ValueError("Engine 'pennylane' needs the name of a device, for example pennylane:default.qubit.")
        close = get_close_matches(self.name, _LOCAL, n=1, cutoff=0.85)
        if close and not self.is_local and self.name not in _installed():  # a misspelling, not a vendor's device
            raise ValueError(f"There is no PennyLane device {self.name!r}; did you mean {close[0]!r}?")
        for key, value in self.options.items():
            if _CREDENTIAL_NAME.search(key) or _CREDENTIAL_VALUE.fullmatch(str(value)):
                variables = _of_name(_KEYS, self.name)
                where = f" ({variables[0]} for {self.name})" if variables else ""
                raise ValueError(
                    f"Option {key!r} of device {self.name!r} looks like a credential, which has no place in a config: "
                    f"leave it out and set the plugin's environment variable{where}."
                )
            if key in ("wires", "shots"):
                raise ValueError(
                    f"Option {key!r} of device {self.name!r} is not set by hand: wires are the circuit's, and shots "
                    "are the PQC's `shots` with `sampler: device`."
                )

    @classmethod
    def parsed(cls, text: str) -> "Device":
        """Parse `NAME` or `NAME,OPTION=VALUE,..`; values are numbers, true, false or text, as in YAML.

        Raises:
            ValueError: If an option has no plain value; and as the class.
        """
        name, *rest = (part.strip() for part in text.split(","))
        options: dict[str, Option] = {}
        for part in rest:
            key, equals, value = part.partition("=")
            if not equals or not key or not value:
                raise ValueError(
                    f"Options of a device are written NAME,OPTION=VALUE,.. but after {name!r} there is one without "
                    "a name or a value."
                )
            options[key.strip()] = _plain(value.strip())
        return cls(name, options)

    @property
    def is_local(self) -> bool:
        """Whether it is a known local simulator with exact values."""
        return self.name in _LOCAL

    @property
    def has_channels(self) -> bool:
        """Whether it runs noise channels exactly."""
        return self.name == "default.mixed"

    @property
    def gradient_method(self) -> GradientMethod:
        """Gradient method of exact expectation values; shots always use parameter-shift."""
        return _LOCAL.get(self.name, "parameter-shift")

    def missing(self) -> str | None:
        """One sentence about missing PennyLane, plugin or key, and how to get it; None if nothing is missing.

        The device itself is not contacted: a key may be wrong, or the device offline.
        """
        if find_spec("pennylane") is None:
            return (
                f"Device {self.name!r} needs PennyLane, which is not installed: run "
                "`pip install 'pennylane>=0.45,<0.46'`."
            )
        installed = _installed()
        if self.name not in installed:
            if package := _of_name(_PACKAGES, self.name):
                return f"Device {self.name!r} needs a plugin that is not installed: pip install {package}."
            return (
                f"There is no PennyLane device {self.name!r} here; there are: {', '.join(sorted(installed))}. "
                "For another, install its PennyLane plugin."
            )
        variables = _of_name(_KEYS, self.name)
        if variables and not any(os.environ.get(variable) for variable in variables):
            return (
                f"Device {self.name!r} needs a key: set the environment variable {variables[0]} "
                "(a key is never taken from a config)."
            )
        return None

    def scrubbed(self, text: str) -> str:
        """`text` in one line, without keys from the environment that a vendor's error message may quote."""
        for variable in _of_name(_KEYS, self.name) or ():
            if secret := os.environ.get(variable):
                text = text.replace(secret, "***")
        return " ".join(text.split())


def _installed() -> set[str]:
    return {entry.name for entry in entry_points(group="pennylane.plugins")}


def _plain(value: str) -> Option:
    if not _PLAIN_VALUE.fullmatch(value):  # thousands of brackets would end the process
        return value
    try:
        parsed = yaml.safe_load(value)
    except (yaml.YAMLError, ValueError):
        return value
    return parsed if isinstance(parsed, str | int | float) else value


_T = TypeVar("_T")


def _of_name(table: Mapping[str, _T], name: str) -> _T | None:
    return next((value for start, value in table.items() if name.startswith(start)), None)
