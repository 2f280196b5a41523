"""The wheel of qlit in an environment and a folder that know nothing of the clone.

The wheel is built without the native engine, which takes a minute to compile; the one of this environment is used.
"""

import http.server
import importlib.util
import json
import os
import subprocess
import sys
import threading
import venv
from functools import partial
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]


def done(*words, cwd, **changes):
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PIP_CONSTRAINT")}
    finished = subprocess.run(
        list(map(str, words)), cwd=cwd, env={**environment, **changes}, capture_output=True, text=True, timeout=500
    )
    assert finished.returncode == 0, finished.stderr
    return finished.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    constraints = ROOT / "constraints.txt"
    done(
        *(*PIP, "wheel", "--no-deps", "--wheel-dir", folder, "--config-settings=wheel.cmake=false", ROOT),
        cwd=folder,
        PIP_BUILD_CONSTRAINT=str(constraints),
        PIP_CONSTRAINT=str(constraints),
    )
    (found,) = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory):
    """Python of an environment with the wheel, nothing of this clone, and the libraries of this environment."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    python = folder / "bin" / "python"
    packages = Path(done(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip())
    below = folder / "libraries"
    below.mkdir()
    for site in (Path(path) for path in sys.path if path.endswith("site-packages")):
        for each in site.iterdir():
            if "qlit" not in each.name and each.suffix != ".pth" and not (below / each.name).is_symlink():
                (below / each.name).symlink_to(each)
    (packages / "below.pth").write_text(f"{below}\n")
    done(*PIP, "--python", python, "install", "--no-deps", wheel, cwd=folder)
    return python


def test_the_wheel_holds_package_and_configs_and_no_sources_of_the_extension(wheel):
    names = done(sys.executable, "-m", "zipfile", "--list", wheel, cwd=wheel.parent)
    assert wheel.name.startswith("qlit_heads-")
    assert "qlit/configs/baselines/svc.yaml" in names
    assert "qlit/data/sample.tsv" in names
    assert "qlit/py.typed" in names
    assert "qlit/engines/cuda/kernels/registers.cu" in names  # compiled where it is used
    assert ".cpp" not in names
    assert "tests/" not in names


def test_configs_are_listed_copied_and_used_by_name_in_an_empty_folder(python, tmp_path):
    qlit = python.with_name("qlit")
    listed = done(qlit, "config", "list", cwd=tmp_path)
    assert {path.stem for path in (ROOT / "configs").rglob("*.yaml")} <= {
        line.split()[0].rpartition("/")[2] for line in listed.splitlines()
    }
    done(qlit, "config", "copy", "quickstart", cwd=tmp_path)
    assert (tmp_path / "configs" / "quickstart.yaml").read_bytes() == (ROOT / "configs/quickstart.yaml").read_bytes()


def test_a_fit_of_a_config_by_name_in_an_empty_folder(python, tmp_path):
    native = importlib.util.find_spec("qlit.engines._native")
    library = {"QLIT_NATIVE_LIBRARY": str(native.origin)} if native is not None else {}
    done("test", "!", "-e", "configs", cwd=tmp_path)
    out = done(
        *(python.with_name("qlit"), "fit", "--config", "quickstart", "--trainer.max_epochs", "2"),
        cwd=tmp_path,
        **library,
    )
    assert "test accuracy" in out
    where = done(python, "-c", "import qlit; print(qlit.__file__, qlit.__version__)", cwd=tmp_path).split()
    assert str(ROOT) not in where[0]
    assert where[1] != "0.0"


def test_an_extra_from_an_index_installs_this_package(python, wheel, tmp_path):
    """An index with a newer `qlit` of somebody else beside ours: pip takes what it was asked for."""
    index = tmp_path / "simple"
    (index / "qlit-heads").mkdir(parents=True)
    (index / "qlit-heads" / wheel.name).write_bytes(wheel.read_bytes())
    other = index / "qlit" / "qlit-9.0-py3-none-any.whl"
    other.parent.mkdir()
    other.write_bytes(b"not ours")
    serve = partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    serve.func.log_message = lambda *_: None
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), serve) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}/simple"
        report = tmp_path / "report.json"
        done(
            *(*PIP, "--isolated", "--python", python, "install", "--upgrade", "--force-reinstall", "--no-deps"),
            *("--dry-run", "--index-url", address, "--report", report, "qlit-heads[pennylane]"),
            cwd=tmp_path,
        )
        server.shutdown()
    (installed,) = json.loads(report.read_text())["install"]
    assert installed["metadata"]["name"] == "qlit-heads"
    assert address in installed["download_info"]["url"]
    assert "pennylane" in installed["metadata"]["provides_extra"]
    assert not any(line.startswith("qlit ") or line == "qlit" for line in installed["metadata"]["requires_dist"])
