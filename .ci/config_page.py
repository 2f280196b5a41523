"""Write docs/config.md, the page of all config keys, from the signatures and docstrings of the classes.

python .ci/config_page.py
"""

import inspect
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

from docstring_parser import parse as parse_docstring

from qlit import heads
from qlit.data.contrastive import ContrastiveSettings
from qlit.jobs.config.training_parser import training_parser
from qlit.tracking.tracker import MLflowTracker
from qlit.training.datamodule import SentenceDataModule
from qlit.training.module import SentenceClassifier

PAGE = Path(__file__).resolve().parents[1] / "docs" / "config.md"
_TOP = ("config", "seed_everything", "test_after_fit")
_HEAD = "model.head"
_CALLED_WITH = "num_outputs"  # an encoder gets it from the PQC, not from the config

_INTRODUCTION = """\
# Config keys

Read this page when you look for the type, the default or the meaning of a key in a config. Every key can be an option,
too: `--data.seed 3`. `qlit fit --help` shows the keys that people change most, and `qlit fit --print_config` prints the
complete config. [configs/README.md](../configs/README.md) describes the configs that come with qlit.

`python .ci/config_page.py` writes this page from the docstrings of the classes. A test fails if it is out of date.
"""
_AFTER_HEADS = """\
## Keys of `trainer`

These are the arguments of [Lightning's Trainer](https://lightning.ai/docs/pytorch/stable/common/trainer.html);
`qlit fit --help-all` lists them. Other defaults than Lightning's:
"""


def page() -> str:
    """The text of the page."""
    parser = training_parser("fit")
    top = {action.dest: action for action in parser._actions if action.dest in _TOP}
    rows = [(name, "", _value(top[name].default), _plain(top[name].help)) for name in _TOP]
    rows.append(("ckpt_path", "", "null", "Checkpoint to resume (`fit`) or to score (`validate`, `test`)."))
    parts = [_INTRODUCTION, "## Top level\n", _table(rows, has_types=False)]
    for key, of_key in (("data", SentenceDataModule), ("model", SentenceClassifier), ("tracking", MLflowTracker)):
        parts += [f"## Keys of `{key}`\n", _summary(of_key), _table(list(_rows(of_key)))]
    parts.append(
        f"## Classes for `{_HEAD}`\n\n`qlit fit --{_HEAD}.help CLASS` prints the same keys. Name a class of your own "
        "by its import path.\n"
    )
    public = [getattr(heads, name) for name in heads.__all__]
    parts += _classes([each for each in public if issubclass(each, heads.Head) and not inspect.isabstract(each)])
    for key, of_key in (("encoder", heads.Encoder), ("preprocessing", heads.Preprocessing)):
        parts.append(f"## Classes for `{_HEAD}.{key}`\n")
        parts += _classes([each for each in public if issubclass(each, of_key) and not inspect.isabstract(each)])
    for key, of_key in ((f"{_HEAD}.pqc", heads.ReuploadingPQC), (f"{_HEAD}.pqc.noise", heads.GateNoise)):
        parts += [f"## Keys of `{key}`\n", _summary(of_key), _table(list(_rows(of_key)))]
    defaults = vars(parser.get_defaults().trainer)
    ours = ("enable_progress_bar", "enable_model_summary", "num_sanity_val_steps", "log_every_n_steps")
    parts += [_AFTER_HEADS, _table([(name, "", _value(defaults[name]), "") for name in ours], has_types=False)]
    parts += ["## Keys of `contrastive`, for `qlit finetune`\n", _table(list(_rows(ContrastiveSettings)))]
    return "\n".join(parts)


def _classes(classes: list[type]) -> Iterator[str]:
    for each in classes:
        yield f"### {each.__name__}\n"
        yield _summary(each)
        if rows := list(_rows(each)):
            yield _table(rows)


def _summary(of_key: Callable[..., Any]) -> str:
    return f"{_plain(parse_docstring(of_key.__doc__ or '').short_description)}\n"


def _rows(of_key: Callable[..., Any]) -> Iterator[tuple[str, str, str, str]]:
    """Key, type, default and meaning of every argument."""
    texts = {each.arg_name: each.description for each in parse_docstring(of_key.__doc__ or "").params}
    for name, parameter in inspect.signature(of_key).parameters.items():
        if name == _CALLED_WITH:
            continue
        default = "required" if parameter.default is inspect.Parameter.empty else _value(parameter.default)
        yield name, _type(parameter.annotation), default, _plain(texts[name])


def _type(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return " or ".join(map(str, get_args(annotation)))
    if get_origin(annotation) in (Union, UnionType):
        return " or ".join(map(_type, get_args(annotation)))
    text = "null" if annotation is NoneType else inspect.formatannotation(annotation)
    return re.sub(r"\b[a-z_]\w*\.(?=\w)", "", text)


def _value(value: Any) -> str:
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, heads.GateNoise):
        return "no noise"
    return str(list(value)) if isinstance(value, tuple) else str(value)


def _plain(text: str | None) -> str:
    """A text of one line in which nothing but code is Markdown or HTML."""
    parts = re.split(r"(`[^`]*`)", " ".join((text or "").split()))
    parts[::2] = [re.sub(r"(<[\w/]+>)", r"`\1`", re.sub(r"([*|])", r"\\\1", part)) for part in parts[::2]]
    return "".join(parts)


def _table(rows: list[tuple[str, str, str, str]], *, has_types: bool = True) -> str:
    is_described = any(row[3] for row in rows)
    columns = [0, *([1] if has_types else []), 2, *([3] if is_described else [])]
    names = ("key", "type", "default", "meaning")
    lines = [[names[k] for k in columns], ["---"] * len(columns)]
    lines += [[f"`{row[k]}`" if k == 0 else row[k] for k in columns] for row in rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
