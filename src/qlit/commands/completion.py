"""`qlit completion`: scripts for shells, and the candidates that these scripts ask for."""

from collections.abc import Sequence
from importlib import import_module

from qlit.commands import COMMANDS
from qlit.commands.parsers.circuit import VERBS
from qlit.commands.parsers.completion import parser_of
from qlit.commands.parsers.short_help import SECTIONS
from qlit.comparisons.paper import PARTS
from qlit.runtime.shipped_configs import shipped_configs

# The scripts call `qlit completion SHELL -- WORD ..` with the words typed so far, the last of which may be empty. Where
# no candidate is printed, a shell completes files by itself.
_SCRIPTS = {
    "bash": """_qlit() {
    local IFS=$'\\n' word="${COMP_WORDS[COMP_CWORD]}"
    COMPREPLY=( $(compgen -W "$(qlit completion bash -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)" -- "$word") )
}
complete -o default -o bashdefault -F _qlit qlit
""",
    "zsh": """_qlit() {
    local -a found
    found=(${(f)"$(qlit completion zsh -- "${(@)words[2,CURRENT]}" 2>/dev/null)"})
    compadd -a found
    _files
}
compdef _qlit qlit
""",
    "fish": """complete -c qlit -a '(qlit completion fish -- (commandline -opc)[2..] (commandline -ct) 2>/dev/null)'
""",
}
_VERBS = {
    "circuit": VERBS,
    "config": ("list", "show", "copy", "schema"),
    "study": ("run", "worker", "status", "stop", "reap", "best", "export", "report"),
    "submit": ("fit", "study", "compare", "table"),
    "completion": tuple(_SCRIPTS),
    "jobs": ("cancel",),
}


def run(command: str, arguments: list[str]) -> int:
    """Run `qlit completion` and return its exit status."""
    options = parser_of(f"qlit {command}").parse(arguments)
    if options.words:
        print("\n".join(candidates(options.words)))
    else:
        print(_SCRIPTS[options.shell], end="")
    return 0


def candidates(words: Sequence[str]) -> list[str]:
    """What may follow on a command line.

    Args:
        words: Words after `qlit`; the last one is being typed and may be empty.
    """
    *before, typed = words
    if not before:
        found: list[str] = list(COMMANDS)
    elif before[-1] in ("-c", "--config") or (before[0] == "config" and len(before) > 1):
        found = list(shipped_configs())
    elif typed.startswith("-"):
        found = _options("diagnose" if before[:2] == ["circuit", "diagnose"] else before[0])
    elif before[0] == "report":
        found = [name for name in PARTS if name not in before]
    elif len(before) == 1:
        found = list(_VERBS.get(before[0], ()))
    else:
        found = []
    return [each for each in found if each.startswith(typed)]


def _options(command: str) -> list[str]:
    if command == "study":
        return ["--config", "--help", "--storage"]
    if command in SECTIONS:
        names = [option.name for options in SECTIONS[command].values() for option in options]
        return sorted({word for name in names for word in name.split(", ") if word.startswith("--")} | {"--help"})
    try:
        parser = import_module(f"qlit.commands.parsers.{command}").parser_of(f"qlit {command}")
    except (ImportError, AttributeError):
        return ["--help"]
    return sorted(word for action in parser._actions for word in action.option_strings if word.startswith("--"))
