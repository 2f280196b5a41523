"""Gate noise from the command line: training with it, and testing a checkpoint under other noise."""

import pytest
from commands.runs import SMALL, all_runs, only_run, run

NOISE = "--model.head.pqc.noise"


@pytest.fixture(scope="module")
def fitted(tmp_path_factory):
    """A folder with a run that was trained under loud noise, and the options that name its checkpoint."""
    folder = tmp_path_factory.mktemp("noise")
    status, _, err = run(folder, "fit", *SMALL, f"{NOISE}.p1", "0.01", f"{NOISE}.p2", "0.05")
    assert status == 0, err
    run_id = only_run(folder).info.run_id
    return folder, ("--ckpt_path", str(folder / "mlruns" / "runs" / run_id / "best.ckpt"))


def test_a_checkpoint_is_scored_with_its_own_noise_other_noise_and_none(fitted):
    folder, checkpoint = fitted
    trained = only_run(folder)
    losses = []
    for options in ((), (f"{NOISE}.p2", "0.3"), (f"{NOISE}.evaluation", "none")):
        known = {found.info.run_id for found in all_runs(folder)}
        status, out, err = run(folder, "test", *checkpoint, *options)
        assert status == 0, err
        assert "test accuracy" in out
        (scored,) = [found for found in all_runs(folder) if found.info.run_id not in known]
        losses.append(scored.data.metrics["test/loss"])
        given = {
            "p2": "0.3" if "0.3" in options else "0.05",
            "evaluation": "none" if "none" in options else "trajectories",
        }
        defaults = {"p2": "0.0", "evaluation": "trajectories"}  # a parameter of the run only if it differs
        logged = {name: scored.data.params.get(f"model.head.pqc.noise.{name}", defaults[name]) for name in given}
        assert logged == given
    assert losses[0] == trained.data.metrics["test/loss"]  # an evaluation draws the same errors whenever it is made
    assert len(set(losses)) == 3


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ((f"{NOISE}.p1", "1.5"), "qlit test: An error probability lies in 0 .. 1, but got p1=1.5.\n"),
        (
            (f"{NOISE}.evaluation", "density_matrix", "--model.head.pqc.engine", "native"),
            "qlit test: Engine 'native' has no density matrix. Take `engine: density_matrix` or `engine: auto`, or "
            "noise by `trajectories`.\n",
        ),
    ],
)
def test_bad_noise_is_refused_in_one_sentence(fitted, options, sentence):
    folder, checkpoint = fitted
    known = len(all_runs(folder))
    status, _, err = run(folder, "test", *checkpoint, *options)
    assert (status, err) == (1, sentence)
    assert len(all_runs(folder)) == known
