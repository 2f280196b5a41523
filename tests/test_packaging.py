"""What pyproject.toml requires, constraints.txt pins, and `make minimum` installs."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
EXTRAS = PYPROJECT["project"]["optional-dependencies"]
DEPENDENCIES = [Requirement(text) for text in PYPROJECT["project"]["dependencies"]]
DEVELOPMENT = [Requirement(text) for name in ("quickstart", "dev") for text in EXTRAS[name]]
BUILD = [Requirement(text) for text in PYPROJECT["build-system"]["requires"]]


def pins(text):
    """Versions by canonical name; every line is a pin, a comment or empty."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return {canonicalize_name(name): version for name, version in (line.split("==") for line in lines)}


@pytest.mark.parametrize("requirement", [*DEPENDENCIES, *DEVELOPMENT, *BUILD], ids=str)
def test_constraints_pin_a_version_that_is_allowed(requirement):
    pinned = pins((ROOT / "constraints.txt").read_text(encoding="utf-8"))
    assert requirement.specifier.contains(pinned[canonicalize_name(requirement.name)])


def test_the_lower_bounds_are_allowed_versions_of_every_library():
    done = subprocess.run(
        [sys.executable, ROOT / ".ci" / "lower_bounds.py"], check=True, capture_output=True, text=True
    )
    bounds = pins(done.stdout)
    assert {canonicalize_name(requirement.name) for requirement in DEPENDENCIES} <= bounds.keys()
    required = {canonicalize_name(each.name): each for each in [*DEPENDENCIES, *DEVELOPMENT]}
    for name, version in bounds.items():
        assert required[name].specifier.contains(version), name
        assert not required[name].specifier.contains("0"), name
