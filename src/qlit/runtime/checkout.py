"""Find the git checkout that a package runs from, and name its commit in the version."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

UNKNOWN = "unknown"
_TIMEOUT_S = 5.0


@dataclass(frozen=True)
class Checkout:
    """A git checkout that tracks a package's files.

    Args:
        commit: Full hash of its commit; `UNKNOWN` if git is missing or fails.
        dirty: Whether the package's files differ from that commit: "true", "false" or `UNKNOWN`.
    """

    commit: str
    dirty: str


def checkout_of(package: Path) -> Checkout | None:
    """Checkout that contains a package's folder; None if there is none or git does not track the folder.

    An environment may be inside the checkout of another project, whose commit says nothing about an installed package.
    """
    if not any((folder / ".git").exists() for folder in package.parents):
        return None
    git = shutil.which("git")
    if git is None:
        return Checkout(UNKNOWN, UNKNOWN)
    try:
        if not _run(git, "-C", str(package), "ls-files", "--", "."):
            return None
        status = _run(git, "-C", str(package), "status", "--porcelain=v2", "--branch", "--", ".").splitlines()
    except (OSError, subprocess.SubprocessError):
        return Checkout(UNKNOWN, UNKNOWN)
    commit = next((line.split()[-1] for line in status if line.startswith("# branch.oid")), UNKNOWN)
    return Checkout(commit, str(any(not line.startswith("#") for line in status)).lower())


def version_without_commit(version: str, checkout: Checkout | None) -> str:
    """Installed version, without its part after "+" if the code runs from a checkout.

    An editable installation keeps the version of the commit at which it was installed, but the checkout may change.
    """
    return version if checkout is None else version.partition("+")[0]


def version_that_runs(version: str, checkout: Checkout | None) -> str:
    """Installed version and commit of the running code, for display."""
    if checkout is None:
        return version
    changed = ", with changes" if checkout.dirty == "true" else ""
    return f"{version_without_commit(version, checkout)} at commit {checkout.commit[:9]}{changed}"


def _run(*command: str) -> str:
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}  # do not write into the checkout
    done = subprocess.run(
        command, capture_output=True, text=True, check=True, timeout=_TIMEOUT_S, env=environment, errors="replace"
    )
    return done.stdout
