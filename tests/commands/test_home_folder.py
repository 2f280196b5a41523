"""A tilde in a config, an environment variable or after an equals sign is the home folder, never a folder called ~."""

from commands.runs import SMALL, run_new


def test_a_run_with_tildes_writes_to_the_home_folder(tmp_path):
    home, folder = tmp_path / "home", tmp_path / "here"
    home.mkdir()
    folder.mkdir()
    (folder / "c.yaml").write_text("tracking: {tracking_uri: 'sqlite:///~/kept/m.db'}\n")
    status, _, err = run_new(folder, "fit", *SMALL, "--config=c.yaml", HOME=str(home))
    assert status == 0, err
    assert (home / "kept" / "m.db").is_file()
    (last,) = home.glob("kept/runs/*/last.ckpt")

    untracked = ["--trainer.logger", "false", "--trainer.default_root_dir", "~/root"]
    status, _, err = run_new(folder, "fit", *SMALL, *untracked, HOME=str(home))
    assert status == 0, err
    assert list((home / "root").rglob("last.ckpt"))

    # An equals sign, and a variable of MLflow: the shell expands neither.
    named = f"--ckpt_path=~/{last.relative_to(home)}"
    status, _, err = run_new(folder, "test", named, HOME=str(home), MLFLOW_TRACKING_URI="sqlite:///~/other.db")
    assert status == 0, err
    assert {path.name for path in folder.iterdir()} == {"c.yaml"}
