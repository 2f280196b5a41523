"""docker/qlit.def: its sections, and its variables where a container runs as its caller."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "docker" / "qlit.def").read_text()


def section(name):
    found = re.search(rf"^%{name}\n(.*?)(?=^%|\Z)", TEXT, re.DOTALL | re.MULTILINE)
    assert found, name
    return found[1]


def test_it_is_made_of_an_archive_that_the_page_writes():
    header = dict(line.split(": ", 1) for line in TEXT.partition("%")[0].splitlines() if re.match(r"\w+: ", line))
    assert header == {"Bootstrap": "docker-archive", "From": "docker/qlit-cpu.tar"}
    page = (ROOT / "docs" / "containers.md").read_text()
    assert f"docker save --output {header['From']} localhost/qlit:cpu" in page


@pytest.mark.parametrize(("given", "kept"), [
    ({"XDG_CACHE_HOME": "/qlit/cache", "USER": "qlit"}, ["unset", "unset"]),  # the image's own
    ({"XDG_CACHE_HOME": "/home/ada/cache", "USER": "ada"}, ["/home/ada/cache", "ada"]),  # the caller's
    ({}, ["unset", "unset"]),
])  # fmt: skip
def test_caches_go_to_the_callers_folders(given, kept):
    script = section("environment") + 'echo "${XDG_CACHE_HOME-unset}"\necho "${USER-unset}"\n'
    done = subprocess.run(["/bin/sh", "-eu", "-c", script], env=given, capture_output=True, text=True, check=True)
    assert done.stdout.split() == kept


def test_its_programs_are_those_of_the_image():
    dockerfile = (ROOT / "docker" / "Dockerfile").read_text()
    assert section("runscript").split() == ["exec", "/opt/qlit/bin/qlit", '"$@"']
    assert "/opt/qlit/healthcheck.py" in section("test")
    assert "COPY docker/healthcheck.py /opt/qlit/healthcheck.py" in dockerfile
    assert "COPY --from=libraries /opt/qlit /opt/qlit" in dockerfile
