"""Help of `qlit submit`."""

KINDS = {
    "fit": "one job, with as many processes as the Slurm file has tasks",
    "study": "an array of workers; the study is created first",
    "compare": "one job",
    "table": "one job",
}
"""What can be submitted."""


def help_of_submit(prog: str) -> str:
    """The help; `prog` is the command as it is typed."""
    kinds = "".join(f"  {kind:<9}{text}\n" for kind, text in KINDS.items())
    return (
        f"usage: {prog} {'|'.join(KINDS)} --slurm FILE [--dry-run] [OPTIONS]\n\n"
        f"{kinds}\n"
        "  --slurm FILE   what the job asks for, as in configs/slurm/example.yaml\n"
        "  --dry-run      print the job script and submit nothing\n\n"
        "Other options belong to the submitted command. docs/cluster.md has examples.\n"
    )
