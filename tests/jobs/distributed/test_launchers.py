"""Variables of launchers in the environment: valid and inherited ones, and the processes of a training."""

import os
import sys
from contextlib import nullcontext

import pytest

from qlit.jobs.distributed import launchers
from qlit.jobs.distributed.cluster import SlurmTasks, check_requeued, cluster_environment
from qlit.jobs.distributed.launchers import (
    RANK_OF,
    launcher_of,
    local_rank,
    refuse_copies,
    remove_variables,
    removed_variables,
    without_launchers,
)

TORCHRUN = {"TORCHELASTIC_RUN_ID": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500", "RANK": "1",
            "LOCAL_RANK": "1", "WORLD_SIZE": "2", "GROUP_RANK": "0"}  # fmt: skip
SLURM_JOB = {"SLURM_JOB_ID": "7", "SLURM_JOB_NAME": "train", "SLURM_NTASKS": "2", "SLURM_NODELIST": "n1"}
SLURM_RANK = {**SLURM_JOB, "SLURM_PROCID": "1", "SLURM_LOCALID": "1", "SLURM_NODEID": "0"}
SLURM_STEP = {**SLURM_RANK, "SLURM_STEP_ID": "0", "SLURM_STEP_NUM_TASKS": "2"}
BY_HAND = {"LOCAL_RANK": "1", "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "29500"}
MPI = {"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2"}
LEFT_OVER = [
    {"RANK": "1"},
    {"LOCAL_RANK": "1"},
    {"SLURM_PROCID": "1"},
    {"SLURM_PROCID": ""},
    {"RANK": "one"},
    {"WORLD_SIZE": "2", "RANK": "1"},
    {"OMPI_COMM_WORLD_RANK": "1"},
    {"PMI_RANK": "1"},
    {"FLUX_TASK_RANK": "1"},
    {"JSM_NAMESPACE_RANK": "1"},
    {"TORCHELASTIC_RUN_ID": "1", "WORLD_SIZE": "2"},
    {"MASTER_ADDR": "10.0.0.1", "MASTER_PORT": "29500", "NODE_RANK": "1"},
    {**SLURM_JOB, "SLURM_NTASKS": "4"},  # a shell of salloc
    {**SLURM_RANK, "ENVIRONMENT": "BATCH", "SLURM_PROCID": "0"},  # a batch script
    {**SLURM_STEP, "SLURM_STEP_ID": "4294967290", "SLURM_PROCID": "0"},  # an interactive step
    {**SLURM_RANK, "SLURM_NTASKS": "1", "SLURM_PROCID": "0"},
    {**TORCHRUN, "WORLD_SIZE": "1", "RANK": "0", "LOCAL_RANK": "0"},
]
OF_SEVERAL = [("torchrun", TORCHRUN), ("srun", SLURM_STEP), ("srun", SLURM_RANK), ("hand", BY_HAND), ("mpirun", MPI)]


def trainer(**options):
    """Options of a trainer."""
    defaults = {"accelerator": "cpu", "devices": "auto", "strategy": "auto", "num_nodes": 1, "plugins": None}
    return {**defaults, **options}


TWO = {"devices": 2, "strategy": "ddp"}


@pytest.fixture
def started(monkeypatch):
    """Start as with some variables in the environment, and remove them; later changes are undone."""
    for name in [name for name in os.environ if name.startswith("SLURM_") or name == "ENVIRONMENT"]:
        monkeypatch.delenv(name)
    with monkeypatch.context() as patch:
        for name in (*launchers._NAMES, *TORCHRUN, *SLURM_STEP, *MPI, "ENVIRONMENT"):
            patch.setenv(name, "")  # so that it is restored
            patch.delenv(name)

        def start(variables):
            for name, value in variables.items():
                patch.setenv(name, value)
            remove_variables()

        yield start
    launchers._removed.clear()


@pytest.fixture
def above(monkeypatch):
    """Replace the ancestors of this process, nearest first."""
    return lambda *names: monkeypatch.setattr(launchers, "_ancestors", lambda: iter([{name} for name in names]))


@pytest.mark.parametrize("variables", LEFT_OVER, ids=str)
def test_inherited_variables_start_nothing_and_are_not_passed_on(started, variables):
    started(variables)
    assert launcher_of(removed_variables()) is None
    assert launchers._NAMES.isdisjoint(os.environ)
    assert not any(name.startswith(launchers._PREFIXES) for name in os.environ)
    environment = cluster_environment(trainer(), work="train the same model")
    assert (environment.global_rank(), environment.world_size()) == (0, 1)
    assert not environment.creates_processes_externally
    assert launchers._NAMES.isdisjoint(os.environ)


@pytest.mark.parametrize("variables", LEFT_OVER, ids=str)
def test_a_training_in_two_processes_starts_them_itself_where_no_launcher_did(started, variables):
    started(variables)
    environment = cluster_environment(trainer(**TWO))
    assert not environment.creates_processes_externally
    assert os.environ[RANK_OF] == str(os.getpid())
    assert "LOCAL_RANK" not in os.environ


@pytest.mark.parametrize(("name", "variables"), OF_SEVERAL)
def test_a_launcher_that_started_two_is_known(started, name, variables):
    started(variables)
    launcher = launcher_of(removed_variables())
    assert (launcher.name, launcher.num_tasks) == (name, 2)
    assert local_rank() == 0  # not one of our own
    assert "SLURM_JOB_ID" not in removed_variables()  # for the record of the run


@pytest.mark.parametrize(("name", "variables"), OF_SEVERAL[:4])
def test_two_processes_of_a_launcher_are_the_two_that_a_config_asks_for(started, name, variables):
    started(variables)
    environment = cluster_environment(trainer(**TWO))
    assert environment.creates_processes_externally
    assert environment.local_rank() == 1
    if name != "hand":  # whose strategy sets these
        assert (environment.global_rank(), environment.world_size()) == (1, 2)
    environment.validate_settings(num_devices=2, num_nodes=1)
    assert RANK_OF not in os.environ
    if name == "srun":
        assert isinstance(environment, SlurmTasks)
        assert not environment.auto_requeue
        assert "SLURM_NTASKS" not in os.environ  # by which Lightning resumes checkpoints of requeued jobs


@pytest.mark.parametrize("variables", [variables for _, variables in OF_SEVERAL])
@pytest.mark.parametrize("count", [1, 3])
def test_another_number_of_processes_is_refused(started, variables, count):
    started(variables)
    with pytest.raises(ValueError, match=rf"started.* 2 times, but the config asks for {count} processes"):
        cluster_environment(trainer(devices=count, strategy="ddp"))
    assert launchers._NAMES.isdisjoint(os.environ)


def test_mpi_without_its_package_is_refused(started):
    started(MPI)
    with pytest.raises(ValueError, match="the package mpi4py, which the processes need to find each other"):
        cluster_environment(trainer(**TWO))


def test_nodes_need_a_launcher_or_an_address(started):
    started({"MASTER_ADDR": "n1"})
    with pytest.raises(ValueError, match=r"asks for 2 nodes .* with MASTER_ADDR, MASTER_PORT, NODE_RANK set"):
        cluster_environment(trainer(num_nodes=2))
    started({"MASTER_ADDR": "n1", "MASTER_PORT": "1234", "NODE_RANK": "1"})
    environment = cluster_environment(trainer(num_nodes=2))
    assert (environment.main_address, environment.main_port, environment.node_rank()) == ("n1", 1234, 1)


def test_several_devices_need_a_strategy_for_several(started):
    started({})
    with pytest.raises(ValueError, match=r"trainer.devices 2 .* ask for 2 processes, but trainer.strategy is for one"):
        cluster_environment(trainer(devices=2, strategy="single_device"))


def test_an_environment_of_the_users_own_has_the_variables(started):
    from lightning.fabric.plugins.environments import KubeflowEnvironment

    variables = {"MASTER_ADDR": "n1", "MASTER_PORT": "1", "WORLD_SIZE": "2", "RANK": "1"}
    started(variables)
    assert cluster_environment(trainer(plugins=[KubeflowEnvironment()], **TWO)) is None
    assert variables.items() <= os.environ.items()


@pytest.mark.parametrize(
    ("variables", "programs"),
    [
        (SLURM_STEP, ("slurmstepd",)),
        (SLURM_STEP, ("timeout", "slurmstepd", "slurmd")),
        (TORCHRUN, ("torchrun", "bash")),
        (MPI, ("prterun", "bash")),
    ],
)
def test_copies_of_one_training_are_refused(started, above, variables, programs):
    started(variables)
    above(*programs)
    with pytest.raises(ValueError, match="started this command 2 times, and every copy would train the same"):
        cluster_environment(trainer(), work="train the same model")
    assert cluster_environment(trainer()) is not None  # of a study, where every worker has trials of its own


@pytest.mark.parametrize(
    ("variables", "programs", "says"),
    [
        (SLURM_STEP, ("bash", "slurmstepd"), "qlit: rank 1 of 2 that srun started works alone"),  # a script
        (SLURM_STEP, ("bash", "slurm_script", "slurmstepd"), ""),
        (SLURM_STEP, ("bash", "sshd"), ""),
        (TORCHRUN, ("bash",), ""),
        (BY_HAND, ("bash",), ""),
    ],
)
def test_tasks_with_different_work_and_processes_with_inherited_variables_train(
    started, above, capsys, variables, programs, says
):
    started(variables)
    above(*programs)
    refuse_copies("train the same model")
    assert capsys.readouterr().err.startswith(says)
    assert bool(says) or not capsys.readouterr().err


SAME, OTHER, SHELL = ("python", "--data.seed", "0"), ("python", "--data.seed", "1"), ("bash", "-c", "..")


@pytest.mark.parametrize(
    ("per_node", "tasks", "underscore", "is_refused"),
    [
        ("2", [SAME, OTHER], "/usr/bin/srun", False),
        ("2", [SAME, SHELL], "/usr/bin/srun", False),
        ("2", [SAME], "/usr/bin/srun", False),  # the other shell had something shorter to do
        ("2", [SAME, SAME], sys.executable, True),
        ("2", [], "/usr/bin/srun", True),
        ("1(x2)", [SAME], sys.executable, False),  # the other task is on another machine
        ("1(x2)", [SAME], "/usr/bin/srun", True),
        ("3,1", [SAME, SAME, SAME], sys.executable, True),
        ("", [SAME, OTHER], sys.executable, True),
    ],
)
def test_tasks_that_replaced_their_shells_have_work_of_their_own(
    started, above, monkeypatch, per_node, tasks, underscore, is_refused
):
    """`srun bash -c 'qlit ..'`: bash runs its last command in its own process."""
    monkeypatch.setattr(launchers, "_command_lines", lambda: tasks)
    monkeypatch.setattr(launchers, "_START_S", 0.05)
    monkeypatch.setenv("_", underscore)
    started({**SLURM_STEP, "SLURM_STEP_TASKS_PER_NODE": per_node})
    above("slurmstepd")
    with pytest.raises(ValueError, match="started this command 2 times") if is_refused else nullcontext():
        refuse_copies("train the same model")


def test_a_rank_of_our_own_knows_its_number_until_its_training_ends(started):
    variables = {RANK_OF: str(os.getppid()), **BY_HAND}
    started(variables)
    assert local_rank() == 1
    assert cluster_environment(trainer(**TWO)).creates_processes_externally
    started({**variables, RANK_OF: "1" if os.getppid() != 1 else "2"})
    with pytest.raises(ValueError, match="process that started this rank has ended"):
        local_rank()
    started({**variables, RANK_OF: str(os.getpid())})  # of an earlier training in this process
    assert removed_variables() == {}


def test_the_nearest_program_of_slurm_distinguishes_a_batch_script_from_a_step(started, above):
    started(SLURM_STEP)
    above("bash", "slurm_script", "slurmstepd")  # an sbatch that was called inside a step inherits its variables
    assert launcher_of(removed_variables()) is None
    above("bash", "slurmstepd", "slurm_script")
    assert launcher_of(removed_variables()).name == "srun"


def test_child_processes_inherit_no_ranks():
    assert without_launchers({**TORCHRUN, **SLURM_STEP, **MPI, "PL_GLOBAL_SEED": "1", "HOME": "/h"}) == {
        "HOME": "/h", "SLURM_JOB_ID": "7", "SLURM_JOB_NAME": "train", "SLURM_NODELIST": "n1",
    }  # fmt: skip


def test_a_requeued_jobs_checkpoint_is_named_and_not_resumed(started, tmp_path, monkeypatch):
    for name in ("hpc_ckpt_2.ckpt", "hpc_ckpt_10.ckpt", "hpc_ckpt_x.ckpt"):
        (tmp_path / name).touch()
    started({})
    assert check_requeued(tmp_path) == []
    started(SLURM_JOB)
    (notice,) = check_requeued(tmp_path)
    assert notice.key == "requeued_checkpoint"
    assert f"{tmp_path}/hpc_ckpt_10.ckpt was not resumed" in notice.text
    assert check_requeued(tmp_path / "elsewhere") == []
    monkeypatch.setenv("SLURM_NTASKS", "1")  # as a plugin of the user's own needs it
    with pytest.raises(ValueError, match=r"would resume .*hpc_ckpt_10.ckpt"):
        check_requeued(tmp_path)
