"""An epoch as a program gives what single steps give, and its steps are such that a CUDA graph can record them."""

import threading
from functools import partial

import lightning.pytorch as pl
import pytest
import torch
from engines.cuda_on_cpu.cpu_kernels import COMPILER, CudaOnCpu
from lightning.pytorch.callbacks import BatchSizeFinder, LearningRateFinder
from torch.overrides import TorchFunctionMode
from training import graphs_on_cpu
from training.small import trainer
from training.test_epoch_loop import OnEveryStep, assert_same

from qlit.engines import TorchEngine
from qlit.heads import (
    AnsatzPQC,
    Centering,
    GateNoise,
    HybridHead,
    LinearHead,
    MLPHead,
    NeuralEncoder,
    ParallelEncoders,
    PrincipalComponents,
    ProjectedEncoder,
    ReuploadingPQC,
    SimulatedQuantumEncoder,
)
from qlit.heads.encoders import unchecked_norms
from qlit.heads.preprocessing import Preprocessing
from qlit.heads.runs_circuit import RunsCircuit
from qlit.training import epoch_program
from qlit.training.checkpoints.best_and_last import BestAndLast
from qlit.training.epoch_loop import use_direct_steps
from qlit.training.epoch_program import EpochProgram
from qlit.training.module import SentenceClassifier
from qlit.training.step_graphs import NotReplayableError, ReplayableOnly, StepGraphs
from qlit.training.turns import Turns

pytestmark = pytest.mark.filterwarnings(
    "ignore:.*treespec, LeafSpec.*:FutureWarning",  # Lightning 2.6 with torch 2.13
)

sqe = partial(SimulatedQuantumEncoder, num_qubits=3, connectivity=1, num_layers=0)


def hybrid(encoder=sqe, *, final_linear=True, preprocessing=None, **options):
    return HybridHead(
        encoder,
        ReuploadingPQC(2, num_reuploads=1, **{"shots": None, **options}),
        final_linear=final_linear,
        preprocessing=preprocessing,
    )


OTHER_GATES = ["ry 0 x0", "rx 1 x1", "crx 0 1 t0", "h 1", "rz 0 0.3", "ry 1 t1"]
# By name, for embeddings of D features.
HEADS = {
    "one encoder": lambda _: hybrid(),
    "shots": lambda _: hybrid(shots=100),
    "shots of all wires": lambda _: hybrid(shots=100, register="full"),
    "two encoders": lambda _: hybrid(partial(ParallelEncoders, num_encoders=2, encoder=sqe)),
    "centred and padded": lambda _: hybrid(partial(sqe, pad_with=0.3), preprocessing=Centering()),
    "principal components": lambda _: hybrid(preprocessing=PrincipalComponents(1, whiten=True)),
    "projected": lambda D: hybrid(partial(ProjectedEncoder, num_features=D, num_projected=5, encoder=sqe)),
    "neural encoder": lambda D: hybrid(partial(NeuralEncoder, num_features=D, hidden_dim=3, batch_norm=True)),
    "without a linear layer": lambda _: hybrid(final_linear=False),
    "other gates": lambda _: HybridHead(sqe, AnsatzPQC(2, OTHER_GATES, shots=50)),
    "linear": lambda D: LinearHead(num_features=D),
    "neural network": lambda D: MLPHead(num_features=D, hidden_dim=3, batch_norm=True),
}
every_head = pytest.mark.parametrize("name", HEADS)


def made(name, data, engine=None):
    """A head for the features of the data."""
    torch.manual_seed(0)
    head = HEADS[name](data.num_features)
    for part in head.modules():
        if engine is not None and isinstance(part, RunsCircuit) and part.circuit.is_basic:
            part.engine = engine
    return head


@pytest.fixture
def data(data):
    loaded = data()
    loaded.setup("fit")
    data.num_features = loaded.embedding_dim
    return data


def single(**kwargs):
    running = trainer(**kwargs)
    use_direct_steps(running)
    return running


def programmed(**kwargs):
    """A trainer whose epochs are programs, as on a GPU."""
    running = single(**kwargs)
    running.fit_loop.epoch_loop.program_on = ("cpu",)
    return running


def fitted(running, data, folder, head, ckpt_path=None, **kwargs):
    pl.seed_everything(3, verbose=False)
    module = SentenceClassifier(head, **{"lr": 0.05, "lr_decay": 0.9, "weight_decay": 0.01, **kwargs})
    running.fit(module, data(), ckpt_path=ckpt_path)
    running.save_checkpoint(folder / "end.ckpt")
    return torch.load(folder / "end.ckpt", weights_only=True)


@every_head
def test_weights_optimiser_scores_and_progress_are_those_of_single_steps(name, data, tmp_path, monkeypatch):
    steps = fitted(single(max_epochs=3), data, tmp_path, made(name, data))
    with monkeypatch.context() as patch:
        patch.setattr(SentenceClassifier, "training_step", lambda *_: pytest.fail("a single step ran"))
        program = fitted(programmed(max_epochs=3), data, tmp_path, made(name, data))
    assert steps["global_step"] == 12
    assert_same(program, steps)


@pytest.mark.parametrize(
    "settings",
    [
        {"limit_train_batches": 2},
        {"limit_train_batches": 0.5},
        {"max_steps": 6},
        {"val_check_interval": 2},
        {"val_check_interval": 0.5},
        {"check_val_every_n_epoch": None, "val_check_interval": 3},
        {"max_epochs": 4, "check_val_every_n_epoch": 2},
        {"max_epochs": 5, "min_epochs": 2, "max_steps": 9, "min_steps": 3},
        {"limit_val_batches": 0},
        {"reload_dataloaders_every_n_epochs": 1},
        {"overfit_batches": 2},
        {"fast_dev_run": 3},
        {"deterministic": True},
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore:.*lr_scheduler.step.*:UserWarning")
def test_so_they_are_under_other_flags_of_the_trainer(settings, data, tmp_path, capsys):
    ends = [fitted(make(**settings), data, tmp_path, made("shots", data)) for make in (programmed, single)]
    torch.use_deterministic_algorithms(False)
    assert_same(*ends)
    capsys.readouterr()


@pytest.mark.parametrize(
    "settings",
    [
        {"gradient_clip_val": 0.01},
        {"accumulate_grad_batches": 2},
        {"precision": "64-true"},
        {"profiler": "simple"},
        {"detect_anomaly": True},
        {"callbacks": [OnEveryStep()]},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_a_trainer_that_acts_on_steps_runs_single_steps(settings, data, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(EpochProgram, "run", lambda *_: pytest.fail("a program ran"))
    fitted(programmed(max_epochs=1, **settings), data, tmp_path, made("one encoder", data))
    capsys.readouterr()


class Own(Preprocessing):
    """A preprocessing that does not say what it does."""

    def forward(self, embeddings_BD):
        return embeddings_BD * 2

    def num_outputs(self, num_features):
        return num_features


def with_a_hook():
    head = hybrid()
    head.linear.register_forward_hook(lambda *_: None)
    return head


@pytest.mark.parametrize(
    "head",
    [
        lambda: hybrid(noise=GateNoise(0.01, 0.01)),
        lambda: hybrid(noise=GateNoise(0.01, 0.01, training="injection")),
        with_a_hook,
        lambda: hybrid(preprocessing=Own()),
    ],
    ids=["trajectories", "injection", "hook", "own preprocessing"],
)
def test_a_head_that_needs_the_host_in_a_step_runs_single_steps(head, data, tmp_path, monkeypatch):
    monkeypatch.setattr(EpochProgram, "run", lambda *_: pytest.fail("a program ran"))
    fitted(programmed(max_epochs=1), data, tmp_path, head())


@pytest.mark.parametrize("finder", [BatchSizeFinder, LearningRateFinder])
def test_searches_before_the_training_find_the_same(finder, data, tmp_path, capsys):
    options = {BatchSizeFinder: {"max_trials": 2, "init_val": 2}, LearningRateFinder: {"num_training_steps": 5}}
    found = []
    for make in (programmed, single):
        running = make(callbacks=[finder(**options[finder])], default_root_dir=tmp_path)
        end = fitted(running, data, tmp_path, made("one encoder", data))
        found.append((running.datamodule.batch_size, running.lightning_module.lr, end["state_dict"]))
    assert_same(*found)
    capsys.readouterr()


def test_a_run_resumed_by_either_ends_as_one_that_was_not_interrupted(data, tmp_path):
    whole = fitted(programmed(max_epochs=4), data, tmp_path, made("shots", data))
    for first, second in ((single, programmed), (programmed, single), (programmed, programmed)):
        half, rest = (
            make(max_epochs=epochs, enable_checkpointing=True, callbacks=[BestAndLast()], default_root_dir=tmp_path)
            for make, epochs in ((first, 2), (second, 4))
        )
        fitted(half, data, tmp_path, made("shots", data))
        last = half.checkpoint_callback.last_model_path
        resumed = fitted(rest, data, tmp_path, made("shots", data), ckpt_path=last)
        for key in ("state_dict", "optimizer_states", "lr_schedulers", "qlit", "global_step", "epoch"):
            assert_same(resumed[key], whole[key])


def test_a_diverged_training_ends_as_by_single_steps(data, tmp_path):
    ends = []
    for make in (programmed, single):
        running = make(max_epochs=4)
        fitted(running, data, tmp_path, made("one encoder", data), lr=1e30)
        ends.append((running.current_epoch, running.lightning_module.divergence))
    assert ends[0] == ends[1]
    assert ends[0][1] is not None


# --- recorded steps ---


@pytest.fixture
def graphs(monkeypatch):
    """The graphs of a training whose steps are recorded on the CPU."""
    monkeypatch.setattr(epoch_program, "StepGraphs", lambda step, _: StepGraphs(step, torch.device("cuda")))
    return graphs_on_cpu.install(monkeypatch)


@every_head
def test_recorded_steps_give_the_numbers_of_single_steps(name, data, tmp_path, graphs):
    steps = fitted(single(max_epochs=6), data, tmp_path, made(name, data, TorchEngine()))
    program = fitted(programmed(max_epochs=6), data, tmp_path, made(name, data, TorchEngine()))
    # 17 sentences in batches of 5: three batches an epoch are run first, then 3 * 5 of 5 and 2 of 2 are repeated.
    assert [graph.num_replays for graph in graphs] == [15, 3]
    assert_same(program, steps)


def test_programs_in_turns_give_the_numbers_of_single_steps(data, tmp_path, graphs):
    alone, beside, threads, turns = {}, {}, [], Turns()

    def work(lr):
        with turns.taken():
            beside[lr] = fitted(programmed(max_epochs=5), data, folder(lr), made("shots", data, TorchEngine()), lr=lr)

    def folder(lr):
        (tmp_path / str(lr)).mkdir(exist_ok=True)
        return tmp_path / str(lr)

    for lr in (0.01, 0.05):
        alone[lr] = fitted(single(max_epochs=5), data, folder(lr), made("shots", data, TorchEngine()), lr=lr)
        threads.append(threading.Thread(target=work, args=(lr,)))
    with turns.taken():
        for thread in threads:
            thread.start()
    for thread in threads:
        thread.join(60)
    assert len(graphs) == 4
    assert_same(beside[0.01], alone[0.01])
    assert_same(beside[0.05], alone[0.05])


def test_a_step_that_cannot_be_recorded_is_run_and_reported(data, tmp_path, graphs, monkeypatch):
    def reads(self, z_BW):
        assert z_BW.detach().sum().item() < 100
        return self.linear(z_BW)

    steps = fitted(single(max_epochs=3), data, tmp_path, made("one encoder", data, TorchEngine()))
    monkeypatch.setattr(HybridHead, "logits", reads)
    running = programmed(max_epochs=3)
    program = fitted(running, data, tmp_path, made("one encoder", data, TorchEngine()))
    assert sum(graph.num_replays for graph in graphs) == 0
    assert len(graphs) == 1
    (notice,) = [each for each in running.lightning_module.notices if each.key == "cuda_graph"]
    assert notice.text.endswith("took longer: the step reads numbers on the host (_local_scalar_dense).")
    assert_same(program, steps)


class NoReads(TorchFunctionMode):
    """Raises an error where tensors become Python's numbers, or the reverse, which on a CPU dispatches nothing."""

    names = {"item", "tolist", "numpy", "cpu", "cuda", "nonzero", "masked_select", "unique", "manual_seed"}  # noqa: RUF012
    names |= {"__bool__", "__int__", "__float__", "__index__", "__array__"}
    names |= {"tensor", "as_tensor", "new_tensor", "from_numpy"}

    def __torch_function__(self, func, types, args=(), kwargs=None):
        if (name := getattr(func, "__name__", "")) in self.names:
            raise NotReplayableError(name)
        return func(*args, **(kwargs or {}))


ENGINES = {"torch": TorchEngine}
if COMPILER is not None:
    ENGINES["cuda"] = CudaOnCpu


@pytest.mark.parametrize("engine", ENGINES)
@every_head
def test_steps_read_nothing_on_the_host_and_are_all_alike(name, engine, data, tmp_path, monkeypatch):
    operations: dict[int, list] = {}
    run = StepGraphs.run

    def guarded(self, size):
        if self._num_run.get(size, 0) == 0:
            run(self, size)
            return
        with ReplayableOnly() as guard, NoReads():
            self._step(size)
        operations.setdefault(size, []).append(guard.operations)

    monkeypatch.setattr(StepGraphs, "run", guarded)
    used = ENGINES[engine]()
    fitted(programmed(max_epochs=3), data, tmp_path, made(name, data, used))
    assert {size: len(steps) for size, steps in operations.items()} == {5: 8, 2: 2}
    for steps in operations.values():
        assert len(steps[0]) > 20
        assert all(step == steps[0] for step in steps)


@every_head
def test_all_tensors_of_a_step_lie_on_the_device(name, data, monkeypatch):
    """On torch's device without numbers, operations fail that also take tensors of the CPU, or read a number."""
    monkeypatch.setattr(torch, "is_autocast_enabled", lambda _: False)  # torch does not know it for this device
    loaded = data()
    loaded.setup("fit")
    head = made(name, data, TorchEngine())
    head.fit_preprocessing(loaded.train_embeddings)
    module = SentenceClassifier(head).to("meta")
    loader = loaded.train_dataloader()
    # Adam's own kernel does not run on this device.
    program = EpochProgram(module, torch.optim.SGD(head.parameters(), lr=0.1), loader)
    program.begin(loader, 0, len(loader))
    with unchecked_norms():
        program._step(5)  # fills the caches
        with ReplayableOnly() as guard:
            program._step(5)
    assert {str(each.device) for each in guard.inputs if each.dim()} == {"meta"}


@pytest.mark.parametrize(
    ("operation", "message"),
    [
        (lambda x: x.sum().item(), "reads numbers on the host"),
        (lambda x: x[x > 0], "selects by a mask"),
        (lambda x: x.nonzero(), "reads numbers on the host"),
        (lambda x: x * torch.tensor(2.0), "reads numbers on the host"),
        (lambda x: x.to("meta"), "copies between devices"),
        (lambda x: x.sum().to("meta"), "copies between devices"),
    ],
    ids=["item", "mask", "nonzero", "new numbers", "copy", "copy of a number"],
)
def test_what_a_graph_cannot_repeat_is_refused(operation, message):
    with pytest.raises(NotReplayableError, match=message), ReplayableOnly():
        operation(torch.arange(3.0))
