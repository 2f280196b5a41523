"""PennyLane devices by name, without contacting or making any."""

from importlib.metadata import EntryPoint

import pytest

from qlit.engines import engine_by_name, pennylane_devices
from qlit.engines.pennylane_devices import Device


@pytest.fixture
def installed(monkeypatch):
    """Let exactly these devices be installed, and no key be set."""

    def let(*names):
        entries = [EntryPoint(name, "some:Device", "pennylane.plugins") for name in names]
        monkeypatch.setattr(
            pennylane_devices, "entry_points", lambda group: entries if group == "pennylane.plugins" else []
        )
        for variable in ("IONQ_API_KEY", "PENNYLANE_IONQ_API_KEY"):
            monkeypatch.delenv(variable, raising=False)

    return let


def test_a_name_brings_its_options():
    device = Device.parsed("ionq.qpu, backend=aria-1,sharpen=true,seed=3,rate=1.5,note=a#b")
    assert device.name == "ionq.qpu"
    assert device.options == {"backend": "aria-1", "sharpen": True, "seed": 3, "rate": 1.5, "note": "a#b"}
    assert Device.parsed("default.qubit").options == {}
    assert engine_by_name("pennylane:default.qubit,seed=3").name == "pennylane:default.qubit,seed=3"


def test_what_is_not_known_to_run_here_is_taken_for_remote():
    remote = {
        name: engine_by_name(f"pennylane:{name}").capabilities.remote
        for name in (
            "default.qubit",
            "default.mixed",
            "lightning.gpu",
            "qiskit.aer",
            "ionq.qpu",
            "ionq.simulator",
            "x.y",
        )
    }
    assert [name for name, is_remote in remote.items() if is_remote] == [
        "qiskit.aer",
        "ionq.qpu",
        "ionq.simulator",
        "x.y",
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", r"needs the name of a device, for example pennylane:default\.qubit"),
        ("default.qbit", r"There is no PennyLane device 'default.qbit'; did you mean 'default.qubit'\?"),
        ("ionq.qpu,api_key=abc", r"'api_key' of device 'ionq.qpu' looks like a credential.*IONQ_API_KEY for ionq.qpu"),
        ("braket.x,s3_Token=abc", "looks like a credential"),
        ("x.y,password=abc", "looks like a credential"),
        ("x.y,backend=0123456789abcdef0123456789abcdef", "'backend' of device 'x.y' looks like a credential"),
        ("default.qubit,shots=10", "shots are the PQC's `shots` with `sampler: device`"),
        ("default.qubit,wires=10", "wires are the circuit's"),
        ("default.qubit,seed", "after 'default.qubit' there is one without a name or a value"),
        ("default.qubit,=1", "one without a name or a value"),
        ("default.qubit,", "one without a name or a value"),
    ],
)
def test_what_a_name_cannot_say_is_refused_without_repeating_a_key(text, sentence):
    with pytest.raises(ValueError, match=sentence) as refused:
        engine_by_name(f"pennylane:{text}")
    assert "abc" not in str(refused.value)


def test_what_is_missing_is_told_with_the_way_to_get_it(installed, monkeypatch):
    installed("default.qubit", "ionq.qpu")
    assert Device("default.qubit").missing() is None
    assert Device("lightning.gpu").missing().endswith("not installed: pip install pennylane-lightning-gpu.")
    assert Device("ionq.simulator").missing().endswith("not installed: pip install pennylane-ionq.")
    told = Device("nowhere.qpu").missing()
    assert told.startswith("There is no PennyLane device 'nowhere.qpu' here; there are: default.qubit, ionq.qpu.")
    assert "set the environment variable IONQ_API_KEY" in Device("ionq.qpu").missing()
    for variable in ("IONQ_API_KEY", "PENNYLANE_IONQ_API_KEY"):
        with monkeypatch.context() as patch:
            patch.setenv(variable, "a key")
            assert Device("ionq.qpu").missing() is None
    monkeypatch.setattr(pennylane_devices, "find_spec", lambda _: None)
    assert "pip install 'pennylane>=0.45,<0.46'" in Device("default.qubit").missing()


def test_a_key_is_taken_out_of_what_a_vendor_says(monkeypatch):
    monkeypatch.setenv("IONQ_API_KEY", "s3cr3t")
    assert Device("ionq.qpu").scrubbed("401:\n bad key s3cr3t") == "401: bad key ***"
