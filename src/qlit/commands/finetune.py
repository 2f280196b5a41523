"""`qlit finetune`: contrastive fine-tuning of a config's body on its training split."""

import os
import shlex

from jsonargparse import ArgumentParser

from qlit.data import expanded
from qlit.data.contrastive import ContrastiveSettings, fine_tune
from qlit.jobs.config.classes import PlainSection, PlainValue, check_classes
from qlit.jobs.config.nulls import check_nulls
from qlit.jobs.config.options import readable_errors
from qlit.jobs.distributed.launchers import refuse_copies
from qlit.jobs.terminal import quieten
from qlit.runtime.quiet import is_quiet
from qlit.training.datamodule import SentenceDataModule


def run(command: str, arguments: list[str]) -> int:
    """Run `qlit finetune` and return its exit status."""
    parser = ArgumentParser(
        prog=f"qlit {command}",
        exit_on_error=False,
        description="Fine-tune the body of a config on its training split: sentences of one label become similar, "
        "others not (SetFit, arXiv:2209.11055). The result is a folder for --data.body of later runs on the same "
        "split; a run that would test on sentences of the fine-tuning is refused.",
    )
    parser.add_argument("-c", "--config", action="config", help="config file; later ones win")
    parser.add_argument("--output", type=str, required=True, help="folder to create")
    parser.add_class_arguments(ContrastiveSettings, "contrastive")
    parser.add_class_arguments(SentenceDataModule, "data")
    for name in ("model", "trainer", "tracking"):
        parser.add_argument(f"--{name}", type=PlainSection, help="as for qlit fit; does not change the body")
    for name in ("seed_everything", "test_after_fit", "ckpt_path"):
        parser.add_argument(f"--{name}", type=PlainValue, help="as for qlit fit; does not change the body")
    quieten()
    refuse_copies("fine-tune the same body")
    with readable_errors():
        options = parser.parse_args(arguments)
        check_nulls(options, contrastive=ContrastiveSettings, data=SentenceDataModule)
        check_classes(options)
        made = parser.instantiate(options)
    data, output = made.data, expanded(options.output, "--output")
    if data.sources.embeddings is not None:
        raise ValueError("A body is fine-tuned on sentences, but `data.embeddings` has none: leave it out.")
    if data.sources.second_text_column:
        raise ValueError(
            "A body is fine-tuned on single sentences, whose labels say which are alike, but `data.second_text_column` "
            "asks for pairs: leave it out."
        )
    body = data.find_body()
    data.load_split()
    texts = [data.texts.texts[k] for k in data.split.train]
    labels = [data.texts.labels[k] for k in data.split.train]
    facts = {"dataset": data.texts.name, "split_fingerprint": data.split.fingerprint}
    losses, notice = fine_tune(body, texts, labels, output, made.contrastive, facts=facts, show_progress=not is_quiet())
    # The first character distinguishes a folder from a name on the hub.
    folder = str(output) if output.is_absolute() else os.path.join(".", output)  # noqa: PTH118 - Path drops the dot
    notices = [*data.notices, *([notice] if notice else [])]
    print(
        f"\n{data.texts.name}: {len(texts):,} train sentences, split {data.split.fingerprint}, body {data.body_name}\n"
        f"  loss                {losses[0]:.4f} at first, {losses[-1]:.4f} at last\n"
        + "".join(f"  note                {each.text}\n" for each in notices)
        + f"  fine-tuned body     {folder}\n"
        f"  train a head on it  qlit fit --config .. --data.body {shlex.quote(folder)}"
        + " --data.trust_remote_code true"
        * data.trust_remote_code
    )
    return 0
