"""docker/build: its builder and the options of it. A script that prints its arguments replaces the builder."""

import os
import re
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
USED = ("bash", "dirname", "git", "date", "env")


@pytest.fixture
def clone(tmp_path):
    """A repository with docker/build, three commits old."""
    folder = tmp_path / "clone"
    (folder / "docker").mkdir(parents=True)
    shutil.copy(ROOT / "docker" / "build", folder / "docker" / "build")
    git(folder, "init", "--quiet")
    for number in range(3):
        commit(folder, number)
    return folder


def git(folder, *arguments):
    identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
    done = subprocess.run(["git", *identity, *arguments], cwd=folder, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(folder, number):
    (folder / "file").write_text(str(number))
    git(folder, "add", ".")
    git(folder, "commit", "--quiet", "--message", str(number))


def build(folder, *arguments, builders=("docker",), **environment):
    """Run docker/build where only these builders are installed."""
    tools = folder.parent / "tools"
    tools.mkdir(exist_ok=True)
    for name in USED:
        with_path = shutil.which(name)
        assert with_path is not None
        (tools / name).unlink(missing_ok=True)
        (tools / name).symlink_to(with_path)
    for name in builders:
        (tools / name).write_text(f'#!/bin/sh\n[ "$1" = info ] || printf "%s\\n" {name} "$@"\n')
        (tools / name).chmod(0o755)
    variables = {"PATH": str(tools), "HOME": str(folder), **environment}
    done = subprocess.run(["docker/build", *arguments], cwd=folder, env=variables, capture_output=True, text=True)
    return done.returncode, done.stdout.splitlines(), done.stderr


def version(folder):
    _, words, _ = build(folder)
    (found,) = [word.removeprefix("VERSION=") for word in words if word.startswith("VERSION=")]
    return found


def test_the_version_is_the_one_of_the_release_checklist(clone):
    short = git(clone, "rev-parse", "--short", "HEAD")
    assert version(clone) == f"0.1.dev3+g{short}"
    git(clone, "tag", "v0.2.0")
    assert version(clone) == "0.2.0"
    commit(clone, 4)
    commit(clone, 5)
    assert version(clone) == f"0.2.1.dev2+g{git(clone, 'rev-parse', '--short', 'HEAD')}"
    (clone / "file").write_text("changed")
    assert version(clone).endswith(f".d{datetime.now(UTC):%Y%m%d}")
    shutil.rmtree(clone / ".git")
    assert version(clone) == "0.0"


def test_the_version_is_a_valid_one(clone):
    packaging = pytest.importorskip("packaging.version")
    assert str(packaging.Version(version(clone))) == version(clone)


def test_variant_revision_and_further_options_reach_the_builder(clone):
    status, words, said = build(clone, "cuda", "--no-cache")
    assert (status, words[:2], words[-2:]) == (0, ["docker", "build"], ["--no-cache", "."])
    assert {"localhost/qlit:cuda", "VARIANT=cuda", f"REVISION={git(clone, 'rev-parse', 'HEAD')}"} <= set(words)
    assert "localhost/qlit:cuda with docker" in said
    assert {"localhost/qlit:cpu", "VARIANT=cpu"} <= set(build(clone)[1])


def test_other_builders_write_the_format_with_health_checks(clone):
    words = build(clone, builders=["podman", "buildah"])[1]
    assert (words[0], words[words.index("--format") + 1]) == ("podman", "docker")
    words = build(clone, builders=["podman", "buildah"], BUILDER="buildah")[1]
    assert words[-1] == "."
    assert "buildah" in words
    assert "--isolation" not in words  # this one can pull the base image


def test_without_a_builder_one_sentence_says_what_to_install(clone):
    status, words, said = build(clone, builders=[])
    assert (status, words) == (1, [])
    assert re.fullmatch(r"docker/build: none of docker, podman and buildah works here; install one of them.\n", said)


def test_scripts_are_executable():
    for name in ("build", "debian-base", "postgres/databases.sh"):
        assert os.access(ROOT / "docker" / name, os.X_OK)
