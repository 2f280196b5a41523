"""`qlit predict` on checkpoints of untrained heads and a body of eleven words."""

import csv
import io
import json
import os
import re
import subprocess
import sys
from typing import NamedTuple

import pandas as pd
import pytest
import torch
import yaml
from checkpoint_models import model_of_config
from tiny_body import make_tiny_body

from qlit.cli import main
from qlit.data import EmbeddingCache, resolve_body
from qlit.data.trainable import TrainableBody
from qlit.serving.predictor import seed_of_sentence

SENTENCES = ["good film", "a dull film", "it was not very good", "the film"]
HEAD = {
    "num_classes": 2,
    "encoder": {
        "class_path": "qlit.heads.SimulatedQuantumEncoder",
        "init_args": {"num_qubits": 3, "connectivity": 1, "num_layers": 0, "init_std": 1.0},
    },
    "pqc": {"num_qubits": 2, "num_reuploads": 1, "init_std": 1.0},
}


class Checkpoint(NamedTuple):
    """A checkpoint file, the labels it names, and the model it was made of."""

    path: str
    labels: list[str]
    module: torch.nn.Module
    body: str
    seed: int = 0

    def probabilities(self, sentences, batch_size=256):
        """Of every class, shape (N, k), from the module itself, with the shots that `qlit predict` draws."""
        body = resolve_body(self.body)
        parts = []
        with torch.no_grad():
            for first in range(0, len(sentences), batch_size):
                batch = sentences[first : first + batch_size]
                if self.module.body is None:
                    inputs = EmbeddingCache().embed(batch, body, show_progress=False).vectors
                else:
                    inputs = self.module.body.tokenize(batch)
                self.module.head.seed_rows([seed_of_sentence(sentence, self.seed) for sentence in batch])
                parts.append(self.module(inputs).double())
        logits = torch.cat(parts)
        if logits.shape[1] > 1:
            return logits.softmax(dim=1)
        return torch.cat((1 - logits.sigmoid(), logits.sigmoid()), dim=1)


@pytest.fixture(scope="module")
def make(tmp_path_factory):
    """Save a checkpoint as `qlit fit` does, of a head with changes."""
    folder = tmp_path_factory.mktemp("checkpoints")
    body = str(make_tiny_body(folder / "body"))

    def save(name, labels, *, trainable_body=False, is_run=True, **changes):
        torch.manual_seed(0)
        head = {"class_path": "qlit.heads.HybridHead", "init_args": {**HEAD, **changes}}
        config = yaml.safe_dump({"model": {"head": head}, "data": {"body": body, "trainable_body": trainable_body}})
        module, _ = model_of_config(config)
        if trainable_body:
            module.body = TrainableBody(resolve_body(body))
            with torch.no_grad():
                vectors = next(module.body.parameters())
                vectors.copy_(vectors.flip(1))  # what it learnt must come from the checkpoint
        saved = Checkpoint(str(folder / f"{name}.ckpt"), labels, module.eval(), body)
        if is_run:
            with torch.no_grad():
                module.head.linear.weight.mul_(50)
                probabilities = saved.probabilities(SENTENCES)
                logits = probabilities.log() if module.head.num_classes > 2 else probabilities[:, 1:].logit()
                module.head.linear.bias.sub_(logits.median(dim=0).values)  # so that labels differ
        notes = {"config": config, "label_names": labels, "dataset": "few", "note": "", "run_id": None, "history": {}}
        torch.save({"state_dict": module.state_dict(), "qlit": notes, "epoch": 3}, saved.path)
        return saved

    return save


@pytest.fixture(scope="module")
def two(make):
    return make("two", ["bad", "good"])


@pytest.fixture(scope="module")
def three(make):
    return make("three", ["bad", "so, so", "good"], num_classes=3)


@pytest.fixture
def predict(capsys):
    """Standard output of `qlit predict`, which must work."""

    def run(*arguments):
        status = main(["predict", *map(str, arguments)])
        out, err = capsys.readouterr()
        assert status == 0, err
        return out

    return run


@pytest.fixture
def refused(capsys):
    """The one sentence with which `qlit predict` refuses."""

    def run(*arguments):
        status = main(["predict", *map(str, arguments)])
        out, err = capsys.readouterr()
        assert (status, out) == (1, "")
        *progress, said = err.splitlines()
        assert all("embedding" in line for line in progress)
        assert said.startswith("qlit predict: ")
        return said.removeprefix("qlit predict: ")

    return run


@pytest.fixture
def stdin(monkeypatch):
    def give(text, *, is_terminal=False):
        stream = io.TextIOWrapper(io.BytesIO(text if isinstance(text, bytes) else text.encode()))
        stream.isatty = lambda: is_terminal
        monkeypatch.setattr("sys.stdin", stream)

    return give


def rows_of(out):
    return [json.loads(line) for line in out.removesuffix("\n").split("\n")]


# --- what comes out ---


@pytest.mark.parametrize("which", ["two", "three", "trainable"])
def test_probabilities_are_those_of_the_modules_logits(which, make, predict, request):
    if which == "trainable":
        saved = make("trainable", ["bad", "good"], trainable_body=True)
    else:
        saved = request.getfixturevalue(which)
    rows = rows_of(predict(saved.path, *SENTENCES, "--format", "jsonl"))
    assert [row["text"] for row in rows] == SENTENCES
    best, chosen = saved.probabilities(SENTENCES).max(dim=1)
    assert [row["label"] for row in rows] == [saved.labels[k] for k in chosen]
    assert [row["probability"] for row in rows] == pytest.approx(best.tolist(), abs=1e-6)  # printed with 6 digits
    assert len({row["label"] for row in rows}) > 1
    assert len({row["probability"] for row in rows}) == len(SENTENCES)


def test_the_weights_of_a_trainable_body_come_from_the_checkpoint(make, two):
    trained = make("learnt", ["bad", "good"], trainable_body=True)
    assert (trained.probabilities(SENTENCES) - two.probabilities(SENTENCES)).abs().max() > 0.01


def test_the_same_call_gives_the_same_bytes(two, predict):
    first = predict(two.path, *SENTENCES, "--format", "csv")
    assert predict(two.path, *SENTENCES, "--format", "csv") == first
    assert len(first.splitlines()) == 1 + len(SENTENCES)


def test_more_sentences_than_a_batch_are_labelled_in_order(two, predict, tmp_path):
    sentences = [f"{SENTENCES[k % 4]} {'very ' * (k % 5)}it" for k in range(300)]
    (tmp_path / "many.txt").write_text("\n".join(sentences))
    rows = rows_of(predict(two.path, "--file", tmp_path / "many.txt", "--format", "jsonl"))
    assert [row["text"] for row in rows] == sentences
    best = two.probabilities(sentences).max(dim=1).values
    assert [row["probability"] for row in rows] == pytest.approx(best.tolist(), abs=1e-6)


def test_a_table_is_for_people(three, predict):
    sentences = ["good film", "a\tfilm\nand " + "very " * 30, *SENTENCES]
    head, *lines = predict(three.path, *sentences).splitlines()
    assert head.split() == ["label", "probability", "sentence"]
    column = head.index("sentence")
    assert [line[column:] for line in lines] == ["good film", "a film and " + ("very " * 30)[:56] + "...", *SENTENCES]
    for line, row in zip(lines, three.probabilities(sentences), strict=True):
        label, probability = re.fullmatch(r"(.*?) +(0\.\d{3})  ", line[:column]).groups()
        assert label == three.labels[row.argmax()]
        assert float(probability) == pytest.approx(row.max().item(), abs=5e-4 + 1e-9)


AWKWARD = ["naïve, très 🙂", 'he said "good"', "line one\nline two", "a\u2028b", " good ", "=1+1"]


def test_csv_and_json_give_back_awkward_sentences(three, predict, tmp_path):
    out = predict(three.path, *AWKWARD, "--format", "csv", "--output", tmp_path / "labels.csv")
    assert out == ""
    with (tmp_path / "labels.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, strict=True))
    assert [row["text"] for row in rows] == AWKWARD
    assert {row["label"] for row in rows} <= set(three.labels)
    assert all(re.fullmatch(r"0\.\d{6}", row["probability"]) for row in rows)
    out = predict(three.path, *AWKWARD, "--format", "jsonl")
    assert [row["text"] for row in rows_of(out)] == AWKWARD
    assert "très 🙂" in out


# --- where sentences come from ---


def test_arguments_a_file_and_standard_input_are_labelled_alike(two, predict, stdin, tmp_path):
    given = predict(two.path, *SENTENCES)
    (tmp_path / "unix.txt").write_bytes("\n".join(SENTENCES).encode() + b"\n")
    (tmp_path / "windows.txt").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(SENTENCES).encode())
    for name in ("unix.txt", "windows.txt"):
        assert predict(two.path, "--file", tmp_path / name) == given
    for options in ([], ["--file", "-"]):
        stdin("\n".join(SENTENCES) + "\n")
        assert predict(two.path, *options) == given
    assert predict(two.path, *SENTENCES, "--output", tmp_path / "out.txt") == ""
    assert (tmp_path / "out.txt").read_text(encoding="utf-8") == given


def test_a_line_ends_at_a_newline_only(two, predict, tmp_path):
    (tmp_path / "one.txt").write_text("good\u2028film\x0cit\x85was\n", encoding="utf-8")
    (row,) = rows_of(predict(two.path, "--file", tmp_path / "one.txt", "--format", "jsonl"))
    assert row["text"] == "good\u2028film\x0cit\x85was"


@pytest.mark.parametrize(
    "content", [b"\xef\xbb\xbfgood film\r\nit was\r\n", b"good film\rit was\r", b"good film\nit was"]
)
def test_line_ends_and_byte_order_marks_are_no_part_of_a_sentence(two, predict, stdin, tmp_path, content):
    (tmp_path / "lines.txt").write_bytes(content)
    of_file = predict(two.path, "--file", tmp_path / "lines.txt", "--format", "jsonl")
    stdin(content)
    assert predict(two.path, "--format", "jsonl") == of_file
    assert [row["text"] for row in rows_of(of_file)] == ["good film", "it was"]


def test_standard_input_that_is_not_utf_8_is_refused(two, refused, stdin):
    stdin("caf\xe9\n".encode("latin-1"))
    assert refused(two.path).startswith("Standard input is not UTF-8 text")


def test_csv_lines_end_with_a_newline_alone(two, predict, tmp_path):
    out = predict(two.path, *SENTENCES, "--format", "csv")
    predict(two.path, *SENTENCES, "--format", "csv", "--output", tmp_path / "out.csv")
    assert (tmp_path / "out.csv").read_bytes() == out.encode()
    assert "\r" not in out


def test_options_may_be_anywhere_and_sentences_may_begin_with_anything(two, predict):
    expected = predict(two.path, "-half as good", "it was", "--format", "csv")
    assert predict(two.path, "-half as good", "--format", "csv", "it was") == expected
    assert predict("--format=csv", two.path, "-half as good", "it was") == expected
    assert predict("--format", "csv", two.path, "--", "-half as good", "it was") == expected
    (row,) = rows_of(predict(two.path, "--format", "jsonl", "--", "--great"))
    assert row["text"] == "--great"


def test_data_are_utf_8_in_every_locale(two):
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    code = """
import sys
from qlit.cli import main
for form in "table", "csv":
    assert main([*sys.argv[1:], "--format", form]) == 0
    print("end of", form, flush=True)
"""
    command = [sys.executable, "-c", code, "predict", two.path, "caf\xe9"]  # one interpreter: it takes seconds to start
    found = subprocess.run(command, env=environment, capture_output=True, check=True).stdout
    table_part, csv_part = found.split(b"end of table\n")
    assert "caf\xe9".encode() in csv_part
    assert b"caf\\xe9" in table_part


def test_a_body_that_has_moved_is_named(make, predict, refused, tmp_path):
    saved = make("moved", ["bad", "good"])
    gone = torch.load(saved.path, weights_only=True)
    gone["qlit"]["config"] = gone["qlit"]["config"].replace(saved.body, f"{tmp_path}/gone")
    torch.save(gone, tmp_path / "moved.ckpt")
    assert f"There is no body folder {tmp_path}/gone" in refused(tmp_path / "moved.ckpt", "good film")
    there = predict(tmp_path / "moved.ckpt", "good film", "--body", saved.body)
    assert there == predict(saved.path, "good film")


def test_blank_lines_are_skipped_and_counted(two, stdin, capsys, tmp_path):
    (tmp_path / "gaps.txt").write_text("good\n\nbad\n  \n")
    assert main(["predict", two.path, "--file", str(tmp_path / "gaps.txt"), "--format", "jsonl"]) == 0
    out, err = capsys.readouterr()
    assert [row["text"] for row in rows_of(out)] == ["good", "bad"]
    assert "qlit: note: 2 lines or rows without a sentence were skipped, the first is line 2.\n" in err
    stdin("good film\nit was\n\t\n")
    assert main(["predict", two.path]) == 0
    assert "1 line or row without a sentence was skipped, the first is line 3." in capsys.readouterr().err


# --- random draws ---


def test_a_sentence_gets_the_same_answer_wherever_it_stands(make, predict, tmp_path):
    pqc = {**HEAD["pqc"], "shots": 20, "noise": {"p1": 0.05, "p2": 0.1}}
    saved = make("noisy", ["bad", "good"], pqc=pqc)
    alone = rows_of(predict(saved.path, SENTENCES[2], "--format", "jsonl"))[0]
    assert rows_of(predict(saved.path, *reversed(SENTENCES), "--format", "jsonl"))[1] == alone
    (tmp_path / "many.txt").write_text("\n".join(SENTENCES * 70))  # more than a batch
    rows = rows_of(predict(saved.path, "--file", tmp_path / "many.txt", "--format", "jsonl"))
    assert all(row == alone for row in rows[2::4])
    assert len({row["probability"] for row in rows}) == 4
    other = rows_of(predict(saved.path, SENTENCES[2], "--format", "jsonl", "--seed", "1"))[0]
    assert other["probability"] != alone["probability"]


def test_a_head_that_samples_says_so_and_exact_values_need_no_seed(make, capsys):
    saved = make("sampled", ["bad", "good"], pqc={**HEAD["pqc"], "shots": 20})

    def run(*options):
        assert main(["predict", saved.path, "good film", "--format", "jsonl", *options]) == 0
        return capsys.readouterr()

    out, err = run("--seed", "5")
    assert "qlit: note: The probabilities are estimates from 20 shots per sentence (seed 5); --exact" in err
    exact, said = run("--exact")
    assert "estimates" not in said
    assert exact == run("--exact", "--seed", "5").out
    assert exact != out
    pqc = {**HEAD["pqc"], "shots": None}
    without_shots = make("without_shots", ["bad", "good"], pqc=pqc, is_run=False)
    torch.manual_seed(0)
    checkpoint = torch.load(saved.path, weights_only=True)
    config = torch.load(without_shots.path, weights_only=True)["qlit"]["config"]
    torch.save({**checkpoint, "qlit": {**checkpoint["qlit"], "config": config}}, saved.path)
    assert run().out == exact


# --- tables ---


@pytest.mark.parametrize("suffix", ["csv", "tsv", "jsonl", "json", "parquet", "csv.gz"])
def test_columns_of_a_table_are_kept(suffix, two, predict, tmp_path):
    rows = [{"id": number, "review": text, "label": "x, y"} for number, text in enumerate(SENTENCES)]
    frame = pd.DataFrame(rows)
    path = tmp_path / f"reviews.{suffix}"
    match suffix:
        case "csv" | "csv.gz":
            frame.to_csv(path, index=False)
        case "tsv":
            frame.to_csv(path, index=False, sep="\t")
        case "jsonl" | "json":
            frame.to_json(path, orient="records", lines=suffix == "jsonl")
        case _:
            frame.to_parquet(path)
    out = predict(two.path, "--file", path, "--text-column", "review", "--format", "jsonl")
    plain = rows_of(predict(two.path, *SENTENCES, "--format", "jsonl"))
    for row, given, expected in zip(rows_of(out), rows, plain, strict=True):
        assert (str(row["id"]), row["review"], row["label"]) == (str(given["id"]), given["review"], "x, y")
        assert (row["predicted_label"], row["predicted_probability"]) == (expected["label"], expected["probability"])
    assert predict(two.path, "--file", path, "--text_column", "review", "--output", tmp_path / "out.csv") == ""
    written = pd.read_csv(tmp_path / "out.csv")
    assert list(written.columns) == ["id", "review", "label", "predicted_label", "predicted_probability"]
    assert list(written["review"]) == SENTENCES
    assert list(written["predicted_probability"]) == [row["probability"] for row in plain]


def test_rows_without_a_sentence_are_skipped(two, capsys, tmp_path):
    (tmp_path / "gaps.csv").write_text('text,id\ngood film,1\n,2\n\n"it was",3\n')
    assert main(["predict", two.path, "--file", str(tmp_path / "gaps.csv"), "--format", "csv"]) == 0
    out, err = capsys.readouterr()
    assert [row["id"] for row in csv.DictReader(io.StringIO(out))] == ["1", "3"]
    assert "2 lines or rows without a sentence were skipped, the first is line 3 of gaps.csv." in err


def test_probabilities_of_all_labels(three, predict):
    expected = [dict(zip(three.labels, row.tolist(), strict=True)) for row in three.probabilities(SENTENCES)]
    for row, probabilities in zip(
        rows_of(predict(three.path, *SENTENCES, "--all", "--format", "jsonl")), expected, strict=True
    ):
        assert row["probabilities"] == pytest.approx(probabilities, abs=1e-6)
        assert row["probability"] == max(row["probabilities"].values())
    for form, delimiter in (("csv", ","), ("tsv", "\t")):
        out = predict(three.path, *SENTENCES, "--all", "--format", form)
        for row, probabilities in zip(csv.DictReader(io.StringIO(out), delimiter=delimiter), expected, strict=True):
            found = {name: float(row[f"probability_{name}"]) for name in three.labels}
            assert found == pytest.approx(probabilities, abs=1e-6)
    head, *lines = predict(three.path, *SENTENCES, "--all").splitlines()
    assert re.split(r"  +", head) == ["label", "probability", "bad", "so, so", "good", "sentence"]
    assert [line.index(sentence) for line, sentence in zip(lines, SENTENCES, strict=True)] == [
        head.index("sentence")
    ] * 4


# --- what is refused ---


@pytest.mark.parametrize(
    ("content", "name", "options", "sentence"),
    [
        (
            "review\ngood\n",
            "a.csv",
            [],
            "a.csv has no column 'text'; it has ['review']. Name the column of the sentences",
        ),
        ("text;id\ngood;1\n", "a.csv", [], "The fields of a.csv are separated by semicolons"),
        ("text,text\ngood,1\n", "a.csv", [], "a.csv has several columns 'text'"),
        ("text,id\ngood\n", "a.csv", [], "Line 2 of a.csv has 1 fields where the header has 2"),
        ("", "a.tsv", [], "a.tsv is empty"),
        ("text\n\n", "a.tsv", [], "There is nothing to label"),
        ('{"text": 3}\n', "a.jsonl", [], "The sentence in line 1 of a.jsonl is 3, which is not text"),
        (
            '{"text": "a", "predicted_label": 3}\n',
            "a.jsonl",
            ["--format", "csv"],
            "a.jsonl has a column 'predicted_label'",
        ),
        ("no parquet", "a.parquet", [], "a.parquet cannot be read as Parquet"),
        ("good\n", "a.txt", ["--text_column", "x"], "--text_column x names a column of a table, but the input is not"),
    ],
)
def test_tables_that_cannot_be_read_are_refused(monkeypatch, tmp_path, refused, content, name, options, sentence):
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_text(content)
    assert sentence in refused("not_looked_for.ckpt", "--file", name, *options)


def test_a_blank_argument_is_refused(two, refused, tmp_path):
    assert refused(two.path, "good", " ") == "Sentence 2 is blank; there is nothing to label."
    (tmp_path / "gaps.txt").write_text("\n  \n")
    assert refused(two.path, "--file", tmp_path / "gaps.txt") == "There is nothing to label: all lines are blank."


def test_no_sentences_are_an_error(two, refused, stdin, tmp_path):
    nothing = "There is nothing to label: "
    stdin("good film\n", is_terminal=True)
    assert refused(two.path) == nothing + "give sentences, --file, or lines on standard input."
    stdin("")
    assert refused(two.path) == nothing + "the input is empty."
    (tmp_path / "empty.txt").touch()
    assert refused(two.path, "--file", tmp_path / "empty.txt") == nothing + "the input is empty."
    assert refused(two.path, "--file", tmp_path / "gone.txt").startswith(f"There is no file {tmp_path}/gone.txt (in ")
    assert refused(two.path, "good", "--file", tmp_path / "empty.txt") == "Give sentences or --file, not both."


@pytest.mark.parametrize(
    "content",
    [
        "hello",
        "Red wine, chocolate and a pen",  # reads as pickle, and pops from an empty stack
        "",
        b"PK\x03\x04 and no more",
        [1, 2],
        {"state_dict": {}},
        {"state_dict": {}, "qlit": None},
        {"state_dict": {}, "qlit": {"label_names": ["a", "b"]}},
        torch.nn.Linear(2, 2),
    ],
    ids=repr,
)
def test_a_file_that_is_no_checkpoint_is_refused(refused, tmp_path, content):
    path = tmp_path / "some.ckpt"
    if isinstance(content, str | bytes):
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    else:
        torch.save(content, path)
    is_cut_short = isinstance(content, bytes) and content.startswith(b"PK")
    reason = "contains no config of a run" if isinstance(content, dict | list) else "cannot be read as one"
    wanted = f"The checkpoint {path} is damaged" if is_cut_short else f"{path} is not a checkpoint of qlit: it {reason}"
    assert refused(path, "good film").startswith(wanted)


def test_a_missing_checkpoint_is_refused(refused, tmp_path):
    assert refused(tmp_path / "gone.ckpt", "good").startswith(f"There is no checkpoint {tmp_path}/gone.ckpt (in ")
    assert refused(tmp_path, "good").startswith(f"There is no checkpoint {tmp_path} (in ")


def test_a_checkpoint_whose_weights_are_not_of_its_config_is_refused(two, refused, tmp_path):
    other = torch.load(two.path, weights_only=True)
    other["state_dict"]["head.pqc.theta"] = torch.zeros(3)
    torch.save(other, tmp_path / "other.ckpt")
    said = refused(tmp_path / "other.ckpt", "good film")
    assert said.startswith("The model in the checkpoint differs from the config: head.pqc.theta has shape (3,) there")


def test_a_body_of_another_width_is_refused(make, refused):
    encoder = {**HEAD["encoder"], "init_args": {**HEAD["encoder"]["init_args"], "num_qubits": 2}}
    narrow = make("narrow", ["bad", "good"], is_run=False, encoder=encoder)
    assert "8 features needs num_qubits >= 3, but the encoder has num_qubits=2" in refused(narrow.path, "good film")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], "the following arguments are required: checkpoint. See qlit predict --help."),
        (["x.ckpt", "good", "--format", "xml"], "invalid choice: 'xml'"),
        (["x.ckpt", "good", "--format"], "the option --format needs a value."),
        (["x.ckpt", "--formt", "csv", "good"], "there is no option --formt; did you mean '--format'? A sentence"),
        (["x.ckpt", "--wonderful"], "no option --wonderful. A sentence that begins with a dash can follow a single --"),
        (["x.ckpt", "-half"], "there is no option -half"),
    ],
)
def test_usage_errors_are_2_and_one_sentence(capsys, arguments, sentence):
    assert main(["predict", *arguments]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert sentence in err
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--file", "latin.txt"], "latin.txt is not UTF-8 text"),
        (["fine", "--output", "nowhere/out.csv"], "There is no folder for the output nowhere/out.csv"),
        (["fine", "--device", "nonsense"], "Torch cannot use the device 'nonsense' here"),
        (["fine", "caf\udce9"], "sentence 2 has bytes that are not"),
    ],
)
def test_unreadable_and_unwritable_files_are_reported_before_the_work(tmp_path, monkeypatch, capsys, options, sentence):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "latin.txt").write_bytes("café".encode("latin-1"))
    assert main(["predict", "not_even_looked_for.ckpt", *options]) == 1
    said = capsys.readouterr()
    assert sentence in said.err
    assert "Traceback" not in said.err
    assert said.out == ""


def test_predictions_need_no_library_of_trainings(two):
    code = f"""if True:
        import sys
        from qlit.cli import main
        assert main(["predict", {two.path!r}, "good film"]) == 0
        heavy = ("lightning", "mlflow", "optuna", "torchmetrics")
        loaded = [name for name in heavy if name in sys.modules]
        assert not loaded, loaded
    """
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
