"""What the Dockerfile promises, read from it; tests/docker/test_image.py runs the image."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import NamedTuple

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).resolve().parents[2]
BUILD_TOOLS = {"g++", "gcc", "make", "cmake", "ninja-build", "python3-dev", "python3-pip", "python3-venv"}
SECRET = re.compile(r"(?i)password|passwd|secret|token|api_?key")


class Instruction(NamedTuple):
    name: str
    text: str


def stages(path=ROOT / "docker" / "Dockerfile"):
    """Instructions of every stage; those before the first FROM are left out."""
    lines = [line for line in path.read_text().splitlines() if line.strip() and not line.lstrip().startswith("#")]
    found = []
    for line in re.sub(r"\\\n", " ", "\n".join(lines)).splitlines():
        name, _, text = line.strip().partition(" ")
        if name == "FROM":
            found.append([])
        if found:
            found[-1].append(Instruction(name, text.strip()))
    return found


def texts(instructions, name):
    return [each.text for each in instructions if each.name == name]


def apt_packages(instructions):
    commands = [command for text in texts(instructions, "RUN") for command in text.split("&&")]
    words = [command.split() for command in commands if "apt-get install" in command]
    return {word for command in words for word in command[2:] if not word.startswith("-")}


def test_nothing_that_compiles_is_in_the_last_stage():
    libraries, _, final = stages()
    assert {"g++", "python3-dev"} <= apt_packages(libraries)
    assert apt_packages(final)
    assert not apt_packages(final) & BUILD_TOOLS
    assert [text.split()[0] for text in texts(final, "COPY")][:2] == ["--from=libraries", "--from=build"]
    assert not [text for text in texts(final, "RUN") if "pip install" in text]


def test_the_image_runs_as_a_user_with_a_number_and_checks_itself():
    *_, final = stages()
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", texts(final, "USER")[-1])  # a number is what `runAsNonRoot` can check
    assert "healthcheck.py" in texts(final, "HEALTHCHECK")[0]
    assert "/qlit/mlruns" in texts(final, "VOLUME")[0]
    assert "/qlit/cache" in texts(final, "VOLUME")[0]
    labels = " ".join(texts(final, "LABEL"))
    for name in ("title", "description", "licenses", "version", "revision"):
        assert f"org.opencontainers.image.{name}=" in labels
    commands = [each.name for each in final]
    assert commands.index("USER") < commands.index("VOLUME") < commands.index("CMD")


def test_a_missing_native_engine_ends_the_build():
    _, build, final = stages()
    (install,) = texts(build, "RUN")
    assert "QLIT_REQUIRE_NATIVE=1 " in install
    assert "pip install --no-deps --root /own ." in install
    overrides = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["scikit-build"]["overrides"]
    (fallback,) = [each for each in overrides if each.get("wheel", {}).get("cmake") is False]
    assert fallback["if"] == {"failed": True, "env": {"QLIT_REQUIRE_NATIVE": False}}
    assert any("is_built()" in text for text in texts(final, "RUN"))


def test_every_version_is_that_of_the_constraints():
    libraries, build, _ = stages()
    assert texts(build, "FROM") == ["libraries AS build"]  # with the same variables
    environment = " ".join(texts(libraries, "ENV"))
    assert "PIP_CONSTRAINT=/build/constraints.txt" in environment
    assert "PIP_BUILD_CONSTRAINT=/build/constraints.txt" in environment
    assert "==" not in (ROOT / "docker" / "Dockerfile").read_text()  # no second place for versions
    printed = subprocess.run(
        [sys.executable, "docker/requirements.py"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    required = printed.stdout.splitlines()
    assert set(project["dependencies"]) <= set(required)
    for extra in ("quickstart", "postgresql", "server", "dashboard"):
        assert set(project["optional-dependencies"][extra]) <= set(required)
    constraints = (ROOT / "constraints.txt").read_text().lower().replace("_", "-")
    for line in required:
        assert re.search(rf"^{re.escape(Requirement(line).name.lower())}==", constraints, re.MULTILINE), line


def test_nothing_secret_is_an_argument_or_a_variable():
    for stage in stages():
        for name in ("ARG", "ENV"):
            assert not [text for text in texts(stage, name) if SECRET.search(text)]


@pytest.mark.parametrize("secret", [
    "docker/.env", ".env", ".git/config", "mlruns/mlflow.db", "mlruns/runs/1/best.ckpt", ".venv/pyvenv.cfg", "id_rsa",
    "src/qlit/engines/_native.cpython-311-x86_64-linux-gnu.so", "src/qlit/__pycache__/cli.cpython-311.pyc",
])  # fmt: skip
def test_no_such_file_reaches_a_build(tmp_path, secret):
    assert secret not in context_of(tmp_path, secret)


def test_what_a_build_needs_reaches_it(tmp_path):
    needed = {word for stage in stages() for text in texts(stage, "COPY") if "--from" not in text
              for word in text.split()[:-1]}  # fmt: skip
    assert needed >= {"src", "configs", "pyproject.toml", "constraints.txt"}
    native = "src/qlit/engines/native/engine.cpp"
    assert needed | {native} <= context_of(tmp_path, *[path for path in needed if (ROOT / path).is_file()], native,
                                           "configs/quickstart.yaml")  # fmt: skip


def context_of(folder, *files):
    """Of these files those that the builder gets, and their folders, as Docker's own client sees it."""
    build = pytest.importorskip("docker.utils.build", reason="the Python package docker is not installed")
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).touch()
    patterns = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and line[0] != "#"]
    return set(build.exclude_paths(str(folder), patterns))


def test_hadolint_finds_nothing():
    hadolint = shutil.which("hadolint", path=f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin")
    if hadolint is None:
        pytest.skip("hadolint is not installed (extra `dev`)")
    done = subprocess.run([hadolint, ROOT / "docker" / "Dockerfile"], capture_output=True, text=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
