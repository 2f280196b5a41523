"""How jsonargparse reads config files with qlit's reader."""

from typing import Any

import pytest
from commands.runs import ROOT

from qlit.jobs.config.models import model_parser
from qlit.jobs.config.nulls import check_nulls
from qlit.jobs.config.options import readable_errors, with_nulls
from qlit.runtime.errors import UsageError
from qlit.training.datamodule import SentenceDataModule
from qlit.training.module import SentenceClassifier

CONFIG = ROOT / "configs" / "single_sqe.yaml"


@pytest.fixture(scope="module")
def parser():
    made = model_parser(prog="qlit")
    made.add_argument("--config", action="config")
    for name in ("trainer", "tracking", "seed_everything"):
        made.add_argument(f"--{name}", type=Any)
    return made


@pytest.fixture
def parsed(parser, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def parse(*options: str) -> Any:
        with readable_errors():
            config = parser.parse_args(["--config", str(CONFIG), *with_nulls(options)])
        check_nulls(config, model=SentenceClassifier, data=SentenceDataModule)
        return config

    return parse


@pytest.fixture
def said(parsed):
    """The one sentence on options behind a right config."""

    def refused(*options: str) -> str:
        with pytest.raises(UsageError) as error:
            parsed(*options)
        sentence = str(error.value)
        assert "\n" not in sentence
        assert len(sentence) <= 300
        return sentence

    return refused


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--config", "{secret}"], "secret.txt must be keys with values, but it is of type str; check the path."),
        (["--data", "{secret}"], "secret.txt must be keys with values, but it is of type str; check the path."),
        (["--model.head", "{secret}"], "model.head must be a class, as class_path and init_args, but got "),
        (["--model.lr", "{secret}"], "model.lr must be float, but got "),
        (["--config", "data: {{batch_size: '{secret}'}}"], "data.batch_size must be int, but got "),
    ],
)
def test_a_wrong_file_is_never_quoted(said, tmp_path, options, sentence):
    file = tmp_path / "secret.txt"
    file.write_text("root:x hunter2\n")
    told = said(*(option.format(secret=file) for option in options))
    assert sentence in told
    assert "hunter2" not in told


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("model: {lr: 1}\ndata: {seed: 1}\nmodel: {}", "the key 'model' is given twice, in lines 1 and 3; keep one."),
        ("model: {lr: 1}\nmodel.lr: 2", "the key 'model.lr' is given twice: once with dots; keep one."),
        ("trainer: 5", "In the config other.yaml, trainer must be keys with values, but got 5."),
        ("data: [1]", "In the config other.yaml, data must be keys with values, but got [1]."),
        ("", "must be keys with values, but it is empty"),
        ("# nothing", "must be keys with values, but it contains only comments"),
        ("a: &a [*a]", "*a in line 1 is inside the value it names."),
        ("model: {lr: [1}", "the config other.yaml is not YAML: did not find expected ',' or ']' in line 1."),
        ("[" * 100_000, "more than 64 nested levels"),
        ("data: {source: '" + "[" * 100_000 + "'}", "data.source is too long or too deep, in line 1"),
    ],
    ids=range(10),
)
def test_a_config_that_is_ambiguous_empty_or_deep_is_refused(said, tmp_path, text, sentence):
    (tmp_path / "other.yaml").write_text(text)
    assert sentence in said("--config", "other.yaml")


def test_a_value_that_is_deep_is_refused(said):
    for option in ("--model.lr", "--data", "--model.head", "--model.head.pqc.measured_wires"):
        assert "nested levels" in said(option, "[" * 100_000)


def test_a_config_is_utf_8_in_every_locale(parsed, said, tmp_path):
    (tmp_path / "other.yaml").write_bytes("data: {source: é}".encode("latin-1"))
    assert "the config other.yaml is not UTF-8 text" in said("--config", "other.yaml")
    (tmp_path / "right.yaml").write_bytes("\ufeffdata: {source: é}".encode())
    assert parsed("--config", "right.yaml").data.source == "é"


def test_valid_values_keep_their_meaning(parsed, tmp_path):
    (tmp_path / "part.yaml").write_text("batch_size: 4\nsource: 2024-01-01\n")
    (tmp_path / "more.yaml").write_text("model.lr: 1e-3\ndata: {body: 'on'}\n")
    config = parsed("--data", "part.yaml", "--config", "more.yaml", "--data.seed", "3", "--data.text_column", "[1")
    assert (config.data.batch_size, config.data.source, config.data.seed) == (4, "2024-01-01", 3)
    assert (config.model.lr, config.data.text_column) == (0.001, "[1")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--config", "model.lr: null"], "model.lr must be float, but got null; leave it out for 0.0025."),
        (["--model.head.final_linear", "null"], "final_linear must be bool, but got null; leave it out for true."),
        (["--config", "model.head.init_args.pqc.noise: null"], "model.head.pqc.noise must be GateNoise, but got null."),
        (["--model.head.encoder.engine", "null"], "encoder.engine must be str, but got null; leave it out for auto."),
        (["--model.head.pqc.sampler", "null"], "must be one of gaussian, multinomial, device, but got null"),
    ],
    ids=range(5),
)  # fmt: skip
def test_null_is_refused_where_the_type_does_not_take_it(said, options, sentence):
    assert sentence in said(*options)


def test_null_is_taken_where_the_type_allows_it(parsed):
    config = parsed("--model.head.pqc.shots", "null", "--data.max_test", "null", "--data.cache_dir", "null")
    assert config.model.head.init_args.pqc.shots is config.data.max_test is config.data.cache_dir is None
    parsed("--config", "trainer: null")  # all of its keys are comments


@pytest.mark.parametrize("text", ["#1.csv", "~", "&a"])
def test_an_option_is_null_only_where_it_says_null(parsed, text):
    assert parsed("--data.test_source", text).data.test_source == text
    assert parsed(f"--data.cache_dir={text}").data.cache_dir == text
    assert parsed("--data.test_source", text, "--data.test_source", "null").data.test_source is None
