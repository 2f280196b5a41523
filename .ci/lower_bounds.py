"""Print a pip constraints file with the oldest version of every library that pyproject.toml allows.

The extras `quickstart` and `dev` count, too: with them the test suite runs.
"""

import re
import sys
import tomllib
from pathlib import Path

EXTRAS = ("quickstart", "dev")


def lower_bounds(pyproject: str) -> list[str]:
    """Pins by name: `name==version` for every requirement with a lower bound or a pin; others stay free."""
    project = tomllib.loads(pyproject)["project"]
    extras = project["optional-dependencies"]
    found = {}
    for requirement in [*project["dependencies"], *(line for extra in EXTRAS for line in extras[extra])]:
        name = re.match(r"[\w.-]+", requirement)[0]
        bound = re.search(r"[>=]=\s*([\w.]+)", requirement)
        if bound:
            found[name] = f"{name}=={bound[1]}"
    return [found[name] for name in sorted(found)]


if __name__ == "__main__":
    print(*lower_bounds((Path(sys.argv[0]).resolve().parents[1] / "pyproject.toml").read_text()), sep="\n")
