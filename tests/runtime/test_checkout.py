"""The commit of the code that runs, and no commit of somebody else's repository."""

import shutil
import subprocess

import pytest

from qlit.runtime.checkout import UNKNOWN, Checkout, checkout_of, version_that_runs, version_without_commit

INSTALLED = "0.1.dev7+g0123456789"
COMMIT = "a" * 40


def git(folder, *arguments):
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", "-C", str(folder), *identity, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


@pytest.fixture
def package(tmp_path):
    folder = tmp_path / "src" / "pkg"
    folder.mkdir(parents=True)
    (folder / "a.py").write_text("a = 1\n")
    return folder


@pytest.fixture
def commit(package, tmp_path):
    assert package.is_dir()
    git(tmp_path, "init")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-m", "first")
    return git(tmp_path, "rev-parse", "HEAD")


def test_git_commit_and_dirty_flag(package, commit):
    assert checkout_of(package) == Checkout(commit, "false")
    (package / "b.py").write_text("")  # a new module counts: it may have run
    assert checkout_of(package) == Checkout(commit, "true")


@pytest.mark.usefixtures("commit")
def test_a_package_inside_a_foreign_checkout_is_not_its_commit(tmp_path):
    installed = tmp_path / "venv" / "pkg"
    installed.mkdir(parents=True)
    (installed / "a.py").write_text("")
    assert checkout_of(installed) is None


def test_without_a_checkout_or_git(package, commit, tmp_path, monkeypatch):
    assert len(commit) == 40
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert checkout_of(package) == Checkout(UNKNOWN, UNKNOWN)
    shutil.rmtree(tmp_path / ".git")
    assert checkout_of(package) is None


@pytest.mark.parametrize(
    ("checkout", "short", "long"),
    [
        (None, INSTALLED, INSTALLED),
        (Checkout(COMMIT, "false"), "0.1.dev7", "0.1.dev7 at commit aaaaaaaaa"),
        (Checkout(COMMIT, "true"), "0.1.dev7", "0.1.dev7 at commit aaaaaaaaa, with changes"),
        (Checkout(UNKNOWN, UNKNOWN), "0.1.dev7", "0.1.dev7 at commit unknown"),
    ],
    ids=["installed", "checkout", "changed", "no git"],
)
def test_one_commit_is_named_that_of_the_code_that_runs(checkout, short, long):
    assert version_without_commit(INSTALLED, checkout) == short
    assert version_that_runs(INSTALLED, checkout) == long
