"""JSON schema of the configs of `qlit fit`, for editors that complete and check YAML files."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, get_type_hints

from docstring_parser import parse as parse_docstring
from lightning.pytorch import Trainer
from pydantic import PydanticUserError, TypeAdapter
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticSchemaGenerationError
from torch import nn

from qlit import heads
from qlit.data.contrastive import ContrastiveSettings
from qlit.tracking.tracker import MLflowTracker
from qlit.training.datamodule import SentenceDataModule
from qlit.training.module import SentenceClassifier

_GIVEN = {"self", "num_outputs"}  # an encoder gets the latter from the PQC, not from the config


def config_schema() -> dict[str, Any]:
    """The schema (draft 2020-12) with keys, types, defaults and meanings; unknown keys of qlit's sections are errors.

    Classes other than qlit's may be named by their import path; their `init_args` are not checked.
    """
    seed = {
        "type": ["integer", "boolean"],
        "description": "Seed of starting parameters, shots and noise; false: none.",
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Config of qlit fit",
        "$defs": {"encoder": _class_of(heads.Encoder)},
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "seed_everything": seed,
            "test_after_fit": {
                "type": "boolean",
                "description": "Whether a fit ends with the test of its best checkpoint.",
            },
            "ckpt_path": {"type": ["string", "null"], "description": "Checkpoint to resume."},
            "data": _section(SentenceDataModule),
            "model": _section(SentenceClassifier, {"head": _class_of(heads.Head)}),
            "tracking": _section(MLflowTracker),
            "contrastive": _section(ContrastiveSettings),
            "trainer": {**_section(Trainer), "additionalProperties": True},
        },
    }


def _section(owner: Callable[..., Any], replaced: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Schema of the arguments of a class."""
    texts = {each.arg_name: each.description for each in parse_docstring(owner.__doc__ or "").params}
    texts |= {each.arg_name: each.description for each in parse_docstring(owner.__init__.__doc__ or "").params}
    hints = _hints(owner)
    properties = {}
    for name, parameter in inspect.signature(owner).parameters.items():
        if name in _GIVEN:
            continue
        schema = (replaced or {}).get(name) or _of_type(name, hints.get(name, parameter.annotation))
        if text := " ".join((texts.get(name) or "").split()):
            schema = {**schema, "description": text}
        if isinstance(parameter.default, bool | int | float | str):
            schema = {**schema, "default": parameter.default}
        properties[name] = schema
    return {"type": "object", "additionalProperties": False, "properties": properties}


def _of_type(name: str, annotation: Any) -> dict[str, Any]:
    if name == "encoder":
        return {"$ref": "#/$defs/encoder"}  # an encoder may contain encoders
    if name == "pqc":  # without class_path it is the paper's
        own = _class_of(nn.Module, [heads.ReuploadingPQC, heads.AnsatzPQC, heads.QNodePQC])
        without = {"type": "object", "not": {"required": ["class_path"]}}
        return {"if": without, "then": _section(heads.ReuploadingPQC), "else": own}
    if annotation is heads.GateNoise:
        return _section(annotation)
    try:
        schema = TypeAdapter(annotation).json_schema()
    except (PydanticUserError, PydanticSchemaGenerationError, PydanticInvalidForJsonSchema, TypeError):
        return {}  # a type of another library, which is not checked
    return {} if "$defs" in schema else schema


def _class_of(base: type, known: Sequence[type] | None = None) -> dict[str, Any]:
    """Schema of a class: its name, or its import path with arguments.

    Args:
        base: Its base class.
        known: Classes of qlit whose arguments are checked; None for all that derive from `base`.
    """
    if known is None:
        public = [getattr(heads, name) for name in heads.__all__]
        known = [each for each in public if issubclass(each, base) and not inspect.isabstract(each)]
    paths = [f"qlit.heads.{each.__name__}" for each in known]
    with_arguments = {
        "type": "object",
        "properties": {
            "class_path": {"type": "string", "anyOf": [{"enum": paths}, {"pattern": r"\."}]},
            "init_args": {"type": "object"},
        },
        "required": ["class_path"],
        "additionalProperties": False,
        "allOf": [
            {
                "if": {"properties": {"class_path": {"const": path}}},
                "then": {"properties": {"init_args": _section(each)}},
            }
            for path, each in zip(paths, known, strict=True)
        ],
    }
    return {"anyOf": [{"type": "string"}, with_arguments]}


def _hints(owner: Callable[..., Any]) -> dict[str, Any]:
    try:
        return get_type_hints(owner.__init__ if inspect.isclass(owner) else owner)
    except NameError:  # a name that only type checkers know
        return {}
