"""`qlit circuit diagnose`: tables, JSON, picture, and what it refuses."""

import json
import re

import pytest

from qlit.cli import main
from qlit.commands.completion import candidates
from qlit.commands.parsers.diagnose import joined, parser_of

FAST = ["--config", "single_sqe", "--samples", "60", "--qubits", "2", "3", "4"]


def run(capsys, *words):
    status = main(["circuit", "diagnose", *words])
    return status, *capsys.readouterr()


def test_json_and_tables_have_the_same_numbers(capsys):
    status, out, err = run(capsys, *FAST, "--json", "--seed", "3")
    assert (status, err) == (0, "")
    report = json.loads(out)
    assert (report["samples"], report["seed"], report["bins"]) == (60, 3, "width")
    assert [(each["name"], each["class"], each["wire"]) for each in report["circuits"]] == [
        ("encoder", "SimulatedQuantumEncoder", 0),
        ("pqc", "ReuploadingPQC", 0),
    ]
    status, out, err = run(capsys, *FAST, "--seed", "3")
    assert (status, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 80
    plain = " ".join(out.split())
    assert report["circuits"][0]["remark"] in plain
    for circuit in report["circuits"]:
        _, _, text = out.partition(f"\n{circuit['name']} (")
        gradients, states, *_ = text.split("\n\n")
        for row in circuit["widths"]:
            (of_gradients,) = re.findall(rf"^ +{row['num_qubits']} +{row['num_parameters']} .*", gradients, re.M)
            (of_states,) = re.findall(rf"^ +{row['num_qubits']} .*", states, re.M)
            for line, name, digits in (
                (of_gradients, "gradient_variance", ".3g"),
                (of_states, "expressibility", ".3f"),
                (of_states, "entanglement", ".3f"),
            ):
                number = row[name]
                assert f" {number['value']:{digits}} [{number['low']:{digits}}, {number['high']:{digits}}]" in line
            assert len(row["gradient_variances"]) == row["num_parameters"]
        fit = circuit["fit"]
        assert fit["low"] < fit["rate"] < fit["high"]
        assert f"interval of the rate: {fit['low']:.2f} to {fit['high']:.2f}" in " ".join(gradients.split())
    assert "connectivity 9, which needs 10 qubits" in report["circuits"][0]["remark"]


def test_an_encoder_without_a_circuit_is_named(capsys):
    status, out, err = run(capsys, "--config", "ablations/neural_encoder", "--samples", "9", "--qubits", "2")
    assert status == 0
    assert "pqc (ReuploadingPQC)" in out
    assert err == (
        "qlit circuit diagnose: note: The encoder NeuralEncoder is left out, because it is no circuit of qlit.\n"
    )


def test_a_width_has_the_same_numbers_whatever_the_others_are(capsys):
    def widths(*qubits):
        status, out, _ = run(capsys, "--config", "single_sqe", "--samples", "20", "--json", "--qubits", *qubits)
        assert status == 0
        return {row["num_qubits"]: row for row in json.loads(out)["circuits"][1]["widths"]}

    assert widths("3")[3] == widths("2,3")[3]


def test_options_with_a_dot_change_the_circuit(capsys):
    _, out, _ = run(capsys, *FAST, "--json", "--model.head.pqc.num_main_layers", "0")
    assert [row["num_parameters"] for row in json.loads(out)["circuits"][1]["widths"]] == [10, 15, 20]


def test_two_widths_have_no_fit(capsys):
    _, out, _ = run(capsys, "--config", "single_sqe", "--samples", "9", "--qubits", "2", "3", "--bins", "mass")
    assert "needs three or more numbers of qubits" in out


@pytest.mark.parametrize("suffix", ["png", "pdf"])
def test_a_picture_is_written(capsys, tmp_path, suffix):
    plot = tmp_path / f"circuits.{suffix}"
    assert run(capsys, *FAST, "--plot", str(plot))[0] == 0
    assert plot.read_bytes().startswith({"png": b"\x89PNG", "pdf": b"%PDF"}[suffix])


@pytest.mark.parametrize(
    ("words", "sentence", "status"),
    [
        ([], "name a config", 2),
        ([*FAST, "--samples", "1"], "`2 <= samples <= 100,000` must hold, but got 1", 1),
        ([*FAST, "--qubits", "30"], "at most 24 qubits, but this one has 30", 1),
        ([*FAST, "--qubits", "70"], "`num_qubits <= 64` must hold", 1),
        ([*FAST, "--qubits", "1"], "`1 <= connectivity <= num_qubits - 1` must hold", 1),
        ([*FAST, "--qubits", "0", "2"], "a circuit has at least 1 qubit, but got 0", 2),
        ([*FAST, "--qubits", "two"], "'two' are no whole numbers", 2),
        ([*FAST, "--seed", "-1"], "`0 <= seed <= 4294967295` must hold", 2),
        ([*FAST, "--plot", "a.gif"], "must end with one of .png, .svg, .pdf", 1),
        (["--config", "baselines/neural_head"], "The head MLPHead has no circuit", 1),
        ([*FAST, "--model.head.pqc.num_layers", "2"], "num_layers", 2),
        ([*FAST, "--sample", "2"], "there is no option --sample; did you mean '--samples'?", 2),
    ],
    ids=lambda value: " ".join(value[-2:]) if isinstance(value, list) else None,
)
def test_bad_input_is_refused_in_one_sentence(capsys, words, sentence, status):
    found, out, err = run(capsys, *words)
    assert (found, out, err.count("\n")) == (status, "", 1)
    assert sentence in err


def test_diagnose_comes_first(capsys):
    assert main(["circuit", "--width", "3", "diagnose", "pqc"]) == 2
    assert "`diagnose` comes first" in capsys.readouterr().err


def test_the_help_fits_on_one_screen(capsys):
    assert main(["circuit", "diagnose", "--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("usage: qlit circuit diagnose ")
    assert len(lines) <= 41
    assert max(map(len, lines)) <= 80


def test_the_shell_completes_the_verb_and_its_options():
    assert candidates(["circuit", "d"]) == ["draw", "diagnose"]
    assert candidates(["circuit", "diagnose", "--s"]) == ["--samples", "--seed"]
    assert "--config" not in candidates(["circuit", "draw", "--"])


def test_numbers_after_qubits_are_one_value():
    assert joined(["--qubits", "2", "4", "--json", "--qubits=3", "--seed", "1"]) == [
        *("--qubits", "2,4", "--json", "--qubits=3", "--seed", "1")
    ]  # fmt: skip
    assert parser_of("x").parse(["--qubits", "4,2,4"]).qubits == [2, 4]
