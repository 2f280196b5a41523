"""Print what the image installs beside qlit itself: its dependencies and the extras that the services need.

The image installs them in a layer of their own, which a change of the code leaves as it is.
"""

import tomllib
from pathlib import Path

EXTRAS = ("quickstart", "postgresql", "server", "dashboard")


def requirements(pyproject: str) -> list[str]:
    """Dependencies and those of `EXTRAS`, one requirement each."""
    project = tomllib.loads(pyproject)["project"]
    extras = project["optional-dependencies"]
    return [*project["dependencies"], *(line for extra in EXTRAS for line in extras[extra])]


if __name__ == "__main__":
    print(*requirements(Path("pyproject.toml").read_text(encoding="utf-8")), sep="\n")
