"""Remove credentials from text before it is stored or shown."""

import json
import os
import re
import shlex
from collections.abc import Sequence
from functools import cache
from urllib.parse import quote, quote_plus, unquote, urlsplit

HIDDEN = "***"
_SCHEME = r"(?i:\b[a-z][a-z0-9+.-]{0,30})://"
# A user name or a token before the host. A password after a user name may contain "@" and, if it is not encoded,
# spaces, slashes and quotes. A port is not a password.
_USERINFO = re.compile(
    rf"({_SCHEME})(?:[^\s/'\"?#]+@|(?=[^\s/:@'\"\[]*:(?!\s|\d{{1,5}}(?:[/\s?#'\",;)\]}}]|$)))"
    r"(?:(?!\w://)[^\n])+@(?=[\w.\[-]))"
)
_SECRET_NAME = (
    r"(?:pass(?:word|wd|phrase)|\bpwd|secret|credentials?|(?:api|access|account|private|secret)[-_]?key|"
    r"(?:access|auth|bearer|refresh|id|session|security|api|hub|hf|tracking|bot|private|personal|oauth)[-_]?token|"
    r"\btoken|signature)"
)
_QUOTED = r"'(?:\\.|''|[^'\\\n])*'|\"(?:\\.|[^\"\\\n])*\""
_QUERY = re.compile(
    rf"(?i)([?&;](?:[\w.-]*{_SECRET_NAME}|sig|key|auth|code|x-amz-[\w-]+|x-goog-[\w-]+)=)(?!&|\s|$)[^&#\s'\"]+"
)
_ASSIGNED = re.compile(
    rf"(?i)({_SECRET_NAME}['\"]?\]?\s?=\s?)(?!(?:None|null|True|False)\b)(?:{_QUOTED}|(?!=)(?:\\.|[^\s&,;'\")}}\]])+)"
)
# A key of YAML or JSON, whose value extends to the end of the line or of the braces. Null is not a secret.
_KEY = r"(?i)((?:^|[{,\[]|\\n)[ \t]*(?:- +)*['\"]?[\w.-]*" + _SECRET_NAME + r"['\"]?[ \t]*:[ \t]+)"
_NO_VALUE = r"(?!(?:null|none|~|''|\"\"|true|false)?[ \t]*(?:[,}\n]|\\n|$))"
_FLOW = re.compile(_KEY.replace(r"^|", "") + _NO_VALUE + rf"(?:{_QUOTED}|[^,}}\n]+)", re.MULTILINE)
_LINE = re.compile(_KEY.replace(r"|[{,\[]|\\n", "") + _NO_VALUE + rf"(?:{_QUOTED}(?=[ \t,]*$)|[^\n]+)", re.MULTILINE)
_COMPACT = re.compile(rf"(?i)(['\"][\w.-]*{_SECRET_NAME}['\"]\s?:\s?)(?:{_QUOTED})")
_HEADER = re.compile(
    r"(?i)(\b(?:proxy-)?authorization['\"]?\s*[:=]\s*['\"]?)(?:(?:bearer|basic|digest|token|negotiate)\s+)?[^\s'\",]+"
)
_BEARER = re.compile(r"(?i)(\bbearer\s+)(?=\S*\d)[\w.~+/-]{8,}=*")
# Tokens recognised by their form: Hugging Face, GitHub, GitLab, Slack, OpenAI, AWS and JSON web tokens.
_TOKEN = re.compile(
    r"\b(?:hf_[A-Za-z0-9]{16,}|gh[opsur]_[A-Za-z0-9]{20,}|github_pat_\w{20,}|glpat-[\w-]{16,}|xox[abp]-[\w-]{10,}|"
    r"sk-[A-Za-z0-9-]{20,}|AKIA[A-Z0-9]{16}|eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]+)"
)
_VARIABLES = ("PASSWORD", "PASSWD", "PASSPHRASE", "TOKEN", "SECRET", "CREDENTIALS",
              "API_KEY", "ACCESS_KEY", "PRIVATE_KEY")  # fmt: skip
_OPTION = re.compile(rf"--?[\w.-]*{_SECRET_NAME}", re.IGNORECASE)
_LEAST_CHARS = 6  # a shorter secret could be part of an ordinary word, so it is only replaced as a whole word
_LEAST_WORD = 4
_known: set[str] = set()


def scrub(text: str) -> str:
    """Replace every credential in `text` by `***`.

    Args:
        text: Text to store or show: a URI, a message, a config as YAML or JSON.
    Returns:
        `text` without user names and passwords in URIs; values of keys and query parameters named password, token,
        secret or similar; `Authorization` headers; tokens of a known form; and secrets of the environment, which are
        variables whose names end with an entry of `_VARIABLES` and passwords of URIs in variables or passed to
        `remember`. Other secrets are not recognised.
    """
    for secret in _secrets():
        if secret in text:
            found = re.escape(secret)
            text = re.sub(found if len(secret) >= _LEAST_CHARS else rf"(?<!\w){found}(?!\w)", HIDDEN, text)
    if "://" in text:
        text = _USERINFO.sub(rf"\1{HIDDEN}@", text)
    if "=" in text:
        text = _ASSIGNED.sub(rf"\1{HIDDEN}", _QUERY.sub(rf"\1{HIDDEN}", text))
    if ":" in text:
        for pattern in (_COMPACT, _FLOW, _LINE, _HEADER):
            text = pattern.sub(rf"\1{HIDDEN}", text)
    return _TOKEN.sub(HIDDEN, _BEARER.sub(rf"\1{HIDDEN}", text))


def scrub_command(words: Sequence[str]) -> str:
    """Quote a command line for a shell, without the credentials that `scrub` finds and the values of secret options."""
    shown = []
    is_secret = False
    for word in words:
        name, equals, _ = word.partition("=")
        names_secret = _OPTION.fullmatch(name) is not None
        if is_secret and not word.startswith("--"):
            shown.append(HIDDEN)
        else:
            shown.append(f"{name}={HIDDEN}" if names_secret and equals else scrub(word))
        is_secret = names_secret and not equals
    return shlex.join(shown)


def has_credentials(uri: str) -> bool:
    """Whether a URI contains credentials that `scrub` removes."""
    return scrub(uri) != uri


def remember(uri: str) -> None:
    """Let `scrub` also remove the password of this URI where it occurs alone, as in a library's message."""
    _known.update(_passwords_of(uri))


def check_uri(uri: str, name: str) -> None:
    """Raise a ValueError if a URI cannot be parsed, for example because its password is not percent-encoded.

    Args:
        uri: URI with a scheme and a host; the message does not contain it.
        name: Name of the setting, for the message.
    """
    try:
        parts = urlsplit(uri)
        _ = None if "," in parts.netloc else parts.port  # PostgreSQL allows several hosts
        is_right = parts.username is None or bool(parts.hostname)
    except ValueError:
        is_right = False
    if not is_right or any(character.isspace() or not character.isprintable() for character in uri):
        raise ValueError(
            f"`{name}` cannot be parsed as an address. In a user name or password, write special characters in percent "
            "code: %2F for a slash, %40 for an at sign, %20 for a space, %23 for a hash."
        )


def _secrets() -> tuple[str, ...]:
    """Secrets of the environment and of remembered URIs, plain and encoded; the longest first."""
    found = set(_known)
    for name, value in os.environ.items():
        if name.upper().endswith(_VARIABLES):
            found.add(value)
        elif "://" in value and "@" in value:
            found |= _passwords_of(value)
    return _forms(frozenset(found))


@cache
def _forms(secrets: frozenset[str]) -> tuple[str, ...]:
    found = {
        form for each in secrets for form in (each, quote(each, safe=""), quote_plus(each), json.dumps(each)[1:-1])
    }
    return tuple(sorted((form for form in found if len(form) >= _LEAST_WORD), key=len, reverse=True))


def _passwords_of(uri: str) -> set[str]:
    try:
        password = urlsplit(uri).password
    except ValueError:
        return set()
    return {each for each in (password, unquote(password)) if len(each) >= _LEAST_CHARS} if password else set()
