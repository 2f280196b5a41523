"""Save a trained model to a folder, load it from a folder or the Hugging Face hub, and upload it there."""

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from safetensors import SafetensorError
from safetensors.torch import load_file, save

import qlit
from qlit.data import expanded
from qlit.data.hub import download_model, require_hub
from qlit.jobs.config.checkpoint_classes import check_checkpoint_classes
from qlit.runtime.allowed import allowing
from qlit.runtime.output_files import check_new_folder
from qlit.runtime.yaml_text import load_yaml
from qlit.serving.model_card import model_card
from qlit.serving.predictor import Predictor, check_device
from qlit.training.evaluation import CHECKPOINT_KEY

CONFIG_FILE = "config.json"
_WEIGHTS, _CARD = "model.safetensors", "README.md"
_FORMAT = 1
_DATA_KEYS = (
    "body",
    "trainable_body",
    "second_text_column",
)  # keys of `data` that a model needs; the others name files of its author


def save_pretrained(predictor: Predictor, folder: str | Path, *, scores: Mapping[str, float] | None = None) -> None:
    """Write config.json, model.safetensors and a model card.

    The folder contains no code, no pickle, no path or address of this machine except the name of the body, and no
    hash of a sentence. A frozen body is named and not included.

    Args:
        predictor: The model.
        folder: Folder, which is created; it must be empty.
        scores: As of `model_card`.
    Raises:
        ValueError: If the folder is not empty, or the model was trained on embeddings of a file.
    """
    path = Path(expanded(str(folder), "the folder"))
    _ = predictor.body  # a model without a body would embed sentences with another one after loading
    check_new_folder(path)
    path.mkdir(parents=True, exist_ok=True)
    config = _config(predictor)
    weights = {name: value.detach().cpu().clone() for name, value in predictor.module.state_dict().items()}
    (path / _WEIGHTS).write_bytes(save(weights, metadata={"format": "pt"}))
    (path / CONFIG_FILE).write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    (path / _CARD).write_text(model_card(predictor, config, scores), encoding="utf-8")


def _config(predictor: Predictor) -> dict[str, Any]:
    notes = predictor.notes
    config = load_yaml(str(notes["config"]), "the config of the checkpoint")
    return {
        "format": _FORMAT,
        "qlit_version": qlit.__version__,
        "model": config["model"],
        "data": {key: config["data"][key] for key in _DATA_KEYS if key in config["data"]},
        "label_names": list(predictor.label_names),
        "dataset": notes.get("dataset"),
        "split_fingerprint": notes.get("split_fingerprint"),
        "body_fingerprint": (notes.get("contents") or {}).get("body"),
    }


def from_pretrained(
    name: str | Path,
    *,
    revision: str | None = None,
    body: str | None = None,
    trust_remote_code: bool = False,
    device: str = "cpu",
    allow: Sequence[str] = (),
    seed: int = 0,
    exact: bool = False,
) -> Predictor:
    """Load a model of `save_pretrained`. Only tensors and plain values are read, and only listed classes are made.

    Args:
        name: A folder, or a model on the Hugging Face hub, `owner/name`.
        revision: Branch, tag or commit on the hub; None for the main branch.
        body: Body to use instead of the one that the model names, as of `resolve_body`.
        trust_remote_code: Whether Python code of the body may run.
        device: Torch device of the model.
        allow: Modules or classes outside of qlit that the model may use; their code runs.
        seed: Seed of shots and gate noise, as of `Predictor`.
        exact: Whether to compute exact expectation values, as of `Predictor`.
    Raises:
        FileNotFoundError: If there is no such folder or body.
        ConnectionError: If the model is not in the local cache and the hub does not answer.
        ValueError: If the files are damaged, not a model of qlit, or name a class that they must not name.
    """
    check_device(device)
    path = Path(expanded(str(name), "the model"))
    folder = path if path.is_dir() else download_model(str(name), (CONFIG_FILE, _WEIGHTS), revision=revision)
    config = _read_config(folder)
    text = yaml.safe_dump({"model": config["model"], "data": config["data"]}, sort_keys=False)
    notes = {**config, "config": text, "contents": {"body": config.get("body_fingerprint")}}
    try:
        weights = load_file(folder / _WEIGHTS)
    except (SafetensorError, OSError) as error:
        raise ValueError(f"{folder / _WEIGHTS} cannot be read ({error}): download it again.") from error
    with allowing(allow):
        check_checkpoint_classes(text, folder)
        return Predictor.from_parts(
            {"state_dict": weights, CHECKPOINT_KEY: notes},
            body=body,
            trust_remote_code=trust_remote_code,
            device=device,
            seed=seed,
            exact=exact,
        )


def _read_config(folder: Path) -> dict[str, Any]:
    file = folder / CONFIG_FILE
    try:
        config = json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ValueError(f"{folder} is not a model of qlit: it has no {CONFIG_FILE}.") from error
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file} is not JSON ({str(error)[:100]}): download it again.") from error
    if not isinstance(config, dict) or config.get("format") != _FORMAT:
        found = config.get("format") if isinstance(config, dict) else None
        raise ValueError(f"{folder} is not a model of this version of qlit: its format is {found!r}, not {_FORMAT}.")
    names = config.get("label_names")
    is_named = isinstance(names, list) and all(isinstance(label, str) for label in names)
    if not isinstance(config.get("model"), dict) or not isinstance(config.get("data"), dict) or not is_named:
        raise ValueError(f"{file} must have `model`, `data` and `label_names`. Take another model.")
    if not isinstance(config["data"].get("body"), str):
        raise ValueError(f"{file} must name its body in `data.body`. Take another model.")
    return {**config, "data": {key: config["data"][key] for key in _DATA_KEYS if key in config["data"]}}


def push_to_hub(
    predictor: Predictor,
    repo_id: str,
    *,
    private: bool = False,
    scores: Mapping[str, float] | None = None,
    message: str = "Upload a model of qlit",
) -> str:
    """Upload a model to the Hugging Face hub, into a repository that is created if it does not exist.

    The token comes from `hf auth login` or the environment variable HF_TOKEN.

    Args:
        predictor: The model.
        repo_id: `owner/name`.
        private: Whether a new repository is private.
        scores: As of `model_card`.
        message: Message of the commit.
    Returns:
        URL of the commit.
    Raises:
        ConnectionError: If the hub does not answer.
        ValueError: If the hub refuses, for example without a valid token.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalTokenNotFoundError

    require_hub(f"the repository {repo_id}", "try again later, or use `save_pretrained`")
    api = HfApi(library_name="qlit", library_version=qlit.__version__)
    with tempfile.TemporaryDirectory() as staging:
        folder = Path(staging) / "model"
        save_pretrained(predictor, folder, scores=scores)
        try:
            api.create_repo(repo_id, private=private, exist_ok=True)
            return str(api.upload_folder(repo_id=repo_id, folder_path=folder, commit_message=message).commit_url)
        except Exception as error:
            if type(error).__module__.partition(".")[0].startswith("httpx"):  # of huggingface_hub, by any version
                raise ConnectionError(f"The connection to the hub broke during the upload to {repo_id}.") from error
            if not isinstance(error, HfHubHTTPError | HFValidationError | LocalTokenNotFoundError):
                raise
            reason = str(error).strip().partition("\n")[0]
            raise ValueError(
                f"The hub refuses the upload to {repo_id} ({reason}): check the name, and log in by `hf auth login` or "
                "set HF_TOKEN to a token that may write."
            ) from error
