"""The commands of `qlit`, one module per command. Importing this loads no command."""

__all__ = ["COMMANDS"]

COMMANDS = {
    "fit": ("qlit.commands.train", "train a head and test its best checkpoint"),
    "validate": ("qlit.commands.train", "score a checkpoint on the validation split"),
    "test": ("qlit.commands.train", "score a checkpoint on the test split"),
    "predict": ("qlit.commands.predict", "label sentences with a checkpoint"),
    "serve": ("qlit.commands.serve", "answer HTTP requests with a checkpoint"),
    "register": ("qlit.commands.register", "package a checkpoint as a registered MLflow model"),
    "finetune": ("qlit.commands.finetune", "fine-tune a body on the training split (SetFit)"),
    "compare": ("qlit.commands.compare", "compare runs or configs on the same splits, with intervals"),
    "table": ("qlit.commands.table", "train the rows of a table of the paper, and print it"),
    "export": ("qlit.commands.export", "write a checkpoint's circuits on a sentence as OpenQASM 3 programs"),
    "study": ("qlit.commands.study", "sweep or search over config keys, with many workers"),
    "circuit": ("qlit.commands.circuit", "draw the circuits of the paper, or examine those of a config"),
    "energy": ("qlit.commands.energy", "estimate the energy of an inference on a QPU and on a GPU"),
    "dimension": ("qlit.commands.dimension", "show what embeddings need: directions, and products of them"),
    "report": ("qlit.commands.report", "make the paper's figures and tables beside our results"),
    "info": ("qlit.commands.info", "show versions, engines, hardware and folders"),
    "completion": ("qlit.commands.completion", "print a script that completes commands and options in a shell"),
    "config": ("qlit.commands.config", "list, show and copy the configs that come with qlit"),
    "submit": ("qlit.commands.submit", "submit a fit, study, comparison or table to a Slurm cluster"),
    "jobs": ("qlit.commands.jobs", "show or cancel the jobs that were submitted from this folder"),
    "reap": ("qlit.commands.reap", "end runs in MLflow whose process was killed"),
    "sync": ("qlit.commands.sync", "send MLflow what it lacks of this folder's runs after an outage"),
    "describe": ("qlit.commands.describe", "show parameters, gates, memory and time before a long run"),
}
"""Module and purpose of every command, by its name."""
