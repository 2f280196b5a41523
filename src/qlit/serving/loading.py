"""`qlit.load`: a trained model from wherever it lies."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from qlit.data import expanded
from qlit.jobs.config.checkpoints import check_is_local
from qlit.runtime.allowed import allowing
from qlit.runtime.errors import UsageError
from qlit.serving.predictor import Predictor
from qlit.serving.pretrained import CONFIG_FILE, from_pretrained
from qlit.tracking.kept_runs import KeptRuns

_RUN_ID = re.compile(r"[0-9a-f]{32}")
_HUB_ID = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*", re.ASCII)


def load(
    name: str | Path,
    *,
    revision: str | None = None,
    body: str | None = None,
    trust_remote_code: bool = False,
    device: str = "cpu",
    allow: Sequence[str] = (),
    tracking_uri: str | None = None,
    seed: int = 0,
    exact: bool = False,
) -> Predictor:
    """Load a trained model.

    Only tensors and plain values are read, and only classes of qlit, torch and Lightning are made (docs/security.md).

    Args:
        name: A checkpoint file of `qlit fit`; a folder of `save_pretrained` or of a run; the id of a run in MLflow (32
            hex digits); or a model on the Hugging Face hub, `owner/name`. An existing file or folder comes first.
        revision: Branch, tag or commit on the hub; None for the main branch.
        body: Body to use instead of the one that the model names: a hub name, a folder or an installed package.
        trust_remote_code: Whether Python code of the body may run.
        device: Torch device of the model.
        allow: Modules or classes outside of qlit that the model may use; their code runs.
        tracking_uri: MLflow's store of a run; None for MLFLOW_TRACKING_URI, or mlruns/mlflow.db in the current folder.
        seed: Seed of shots and gate noise; together with a sentence it determines the draws for this sentence.
        exact: Whether to compute exact expectation values instead of drawing shots and gate noise.
    Returns:
        The model: `predict`, `predict_proba`, `embed`, `head`, `config`, `label_names`.
    Raises:
        FileNotFoundError: If there is no such file, or no body.
        ConnectionError: If a server or the hub does not answer.
        ValueError: If the model is damaged, does not fit this version, or names a class that it must not name.
    """
    text = str(name)
    if not text.strip():
        raise ValueError("The name of the model is empty: give a checkpoint, a folder, a run id or owner/name.")
    check_is_local(text)
    path = expanded(text, "the model")
    is_on_hub = not path.exists() and path.suffix != ".ckpt" and _HUB_ID.fullmatch(text) is not None
    if revision is not None and not is_on_hub:
        raise ValueError(f"`revision` is for models on the Hugging Face hub, but {text} is none: leave it out.")
    try:
        if is_on_hub or (path / CONFIG_FILE).is_file():
            return from_pretrained(
                text,
                revision=revision,
                body=body,
                trust_remote_code=trust_remote_code,
                device=device,
                allow=allow,
                seed=seed,
                exact=exact,
            )
        with allowing(allow), _checkpoint_of(path, text, tracking_uri) as checkpoint:
            return Predictor.from_checkpoint(
                checkpoint, body=body, trust_remote_code=trust_remote_code, device=device, seed=seed, exact=exact
            )
    except UsageError as error:  # of the config in a checkpoint
        raise ValueError(f"{text} cannot be used by this version of qlit: {error}") from error


@contextmanager
def _checkpoint_of(path: Path, name: str, tracking_uri: str | None) -> Iterator[Path]:
    """Context with the checkpoint that a path or a run id stands for."""
    if path.is_dir():
        found = [path / file for file in ("best.ckpt", "last.ckpt") if (path / file).is_file()]
        if not found:
            raise ValueError(
                f"The folder {path} is neither a model of `save_pretrained` nor the folder of a run: it has no "
                f"{CONFIG_FILE} and no best.ckpt."
            )
        yield found[0]
    elif not path.exists() and _RUN_ID.fullmatch(name):
        with KeptRuns(tracking_uri).checkpoint(name) as checkpoint:
            yield checkpoint
    elif path.exists() or path.suffix == ".ckpt":
        yield path
    else:
        raise FileNotFoundError(
            f"There is no file or folder {name} (in {Path.cwd()}), and it is neither the id of a run (32 hex digits) "
            "nor a model on the Hugging Face hub (owner/name): check the name."
        )
