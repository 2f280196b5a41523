"""The `qlit` command. It imports the module of a command only when that command is called."""

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import qlit
from qlit.commands import COMMANDS

_HELP = f"""qlit VERSION: quantum, quantum-inspired and classical heads on
sentence embeddings (arXiv:2504.08732)

usage: qlit COMMAND [OPTIONS]    (qlit COMMAND --help shows the options)

{"".join(f"  {name:<12}{text}{chr(10)}" for name, (_, text) in COMMANDS.items())}
every command:
  --allow NAME  allow the import of a module or class that a checkpoint names,
                or of a function that a config names; repeatable. Read its code
                first, because it runs with your rights (docs/security.md)
  --quiet       print no progress and no notes, but results, warnings and errors
                (or set QLIT_QUIET=1)

exit status:
  0 success, 1 error, 2 wrong command line, 128 + n stopped by signal n

examples:
  qlit fit --config quickstart
  qlit fit --config multi_sqe --data.source my/sst2
  qlit predict best.ckpt "What a lovely evening this was."
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status: 0, 1 for an error, 2 for a usage error, 128 + n for signal n."""
    from qlit.runtime.errors import in_one_sentence

    argv = list(sys.argv[1:] if arguments is None else arguments)
    command = argv[0] if argv else ""
    return in_one_sentence(f"qlit {command}" if command in COMMANDS else "qlit", lambda: _run(command, argv[1:]))


def _run(command: str, argv: list[str]) -> int:
    if command in ("", "-h", "--help", "help"):
        print(_HELP.replace("VERSION", qlit.__version__.partition("+")[0], 1), end="")
        return 0 if command else 2
    if command in ("-V", "--version"):
        print(f"qlit {_version()}")
        return 0
    if command not in COMMANDS:
        from qlit.runtime.errors import UsageError, nearest

        raise UsageError(f"there is no command {command!r}{nearest(command, COMMANDS) or '.'} See qlit --help.")
    asked = {"-h", "--help", "--help-all"} & set(argv[: argv.index("--")] if "--" in argv else argv)
    if asked:
        from qlit.commands.parsers.texts import help_text

        if (text := help_text(command, argv, is_short="--help-all" not in asked)) is not None:
            print(text, end="")
            return 0
        argv = ["--help" if word == "--help-all" else word for word in argv]
    from qlit.jobs.config.arguments import with_home
    from qlit.jobs.distributed import launchers
    from qlit.runtime.allowed import allowing, split_allowed
    from qlit.runtime.interrupts import RaisingSignals
    from qlit.runtime.option_words import split_switch
    from qlit.runtime.quiet import OPTION, quieting
    from qlit.runtime.shipped_configs import with_shipped_configs

    launchers.remove_variables()

    # Small circuits are many short parallel loops. By default OpenMP's threads spin between these loops, and if another
    # process occupies the core of one thread, all threads wait for it. A 10-qubit step next to one busy process took
    # 277 ms with spinning and 72 ms with sleeping threads (66 and 55 ms on an idle machine). Torch reads this variable
    # when it is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    others, names = split_allowed(argv)
    others, is_quiet = split_switch(OPTION, others)
    with allowing(names), quieting(is_quiet), RaisingSignals() as signals:
        with signals.ending(f"qlit {command}"):
            module = _imported(COMMANDS[command][0])
        status: int = module.run(command, with_shipped_configs(with_home(others)))
    return status


def _version() -> str:
    """Version and commit of the running code."""
    from pathlib import Path

    from qlit.runtime.checkout import checkout_of, version_that_runs

    return version_that_runs(qlit.__version__, checkout_of(Path(qlit.__file__).parent))


def _imported(module: str) -> Any:
    from qlit.runtime.large_imports import large_imports
    from qlit.runtime.torchmetrics_import import postpone_imports_of_torchmetrics

    postpone_imports_of_torchmetrics()
    with large_imports():
        return import_module(module)


if __name__ == "__main__":
    sys.exit(main())
