"""Take credentials out of text before it is stored or shown."""

import os
import re

_USERINFO = re.compile(r"://[^\s/'\"]+@")  # greedy: a password may itself hold an "@"
_OPTION = re.compile(r"(?i)((?:password|passwd|secret|token|api[-_]?key)['\"]?\s*[=:\s]\s*['\"]?)([^\s'\",]+)")
_HF_TOKEN = re.compile(r"\bhf_[A-Za-z0-9]{16,}")
_SECRET_VARIABLES = (
    "MLFLOW_TRACKING_PASSWORD",
    "MLFLOW_TRACKING_TOKEN",
    "HF_TOKEN",
    "IONQ_API_KEY",
    "PENNYLANE_IONQ_API_KEY",
)


def scrub(text: str) -> str:
    """`text` without user names and passwords in URIs, Hugging Face tokens and the secrets of the environment.

    Args:
        text: Anything that is to be stored or shown.
    Returns:
        `text` with `://user:password@` as `://***@`, and every token it recognises as `***`. A secret that is
        neither in a URI, nor an `hf_` token, nor the value of one of `_SECRET_VARIABLES` is not recognised.
    """
    for variable in _SECRET_VARIABLES:
        secret = os.environ.get(variable, "")
        if len(secret) >= 6:  # a shorter one would blank out ordinary words
            text = text.replace(secret, "***")
    return _HF_TOKEN.sub("***", _USERINFO.sub("://***@", text))


def scrub_options(text: str) -> str:
    """`scrub`, and the values of options called password, secret, token or api key; for command lines."""
    return _OPTION.sub(r"\1***", scrub(text))
