"""Compare a split with a checkpoint's split, so that no sentence that trained the checkpoint is scored."""

from dataclasses import dataclass, replace
from typing import Literal

from qlit.data.datasets import LabelledTexts
from qlit.data.notices import Notice
from qlit.data.origin import Origin, Sentences, digest_of
from qlit.data.seen import are_seen, counted
from qlit.data.splits import Split, former_fingerprints, split_fingerprint

Stage = Literal["fit", "validate", "test"]


@dataclass(frozen=True)
class Comparison:
    """A split and the origin of a checkpoint that it is used with.

    Args:
        origin: Origin recorded in the checkpoint.
        data: The data, with the checkpoint's labels.
        split: Split of the data.
        seed: Seed of the split.
    """

    origin: Origin
    data: LabelledTexts
    split: Split
    seed: int

    def checked(self, stage: Stage, *, unseen_only: bool) -> tuple[Split, list[Notice]]:
        """Check whether the checkpoint may be used with the split; return the split to use and notices about it.

        Args:
            stage: Use of the checkpoint: resume ("fit"), "validate" or "test".
            unseen_only: Whether to validate only on sentences that are new to the checkpoint. (For a test, the split
                has already left out the others.)
        Raises:
            ValueError: If a resume would change training or validation sentences; if sentences that trained or
                validated the checkpoint would be scored; or if this is unknown, because an older qlit wrote the
                checkpoint.
        Cost: negligible if the split is the checkpoint's own.
        """
        if self.origin.fingerprint == self.split.fingerprint:
            return self.split, []
        if self.origin.sentences is None:
            return self.split, self._unrecorded(stage, unseen_only=unseen_only)
        if stage == "fit":
            self._check_resume(self.origin.sentences)
            return self.split, []
        return self._scored(self.origin.sentences, stage, unseen_only=unseen_only)

    def _scored(
        self, made_it: Sentences, stage: Literal["validate", "test"], *, unseen_only: bool
    ) -> tuple[Split, list[Notice]]:
        data, split, own = self.data, self.split, Sentences.of(self.data, self.split)
        if stage == "test" and not len(split.train) and own.tested == made_it.tested:
            return split, [self._own_test(made_it)]
        if own.validated == made_it.validated if stage == "validate" else own.both == made_it.both:
            # The checkpoint's own split scores the same sentences; the split itself reports its duplicates.
            return split, [] if stage == "validate" and own.digest == made_it.digest else [self._same_sentences()]
        part, name = (split.test, "test") if stage == "test" else (split.validation, "validation")
        texts = [data.texts[k] for k in part]
        trained, is_seen = are_seen(texts, made_it.trained), are_seen(texts, made_it.both)
        num_trained, num_seen = int(trained.sum()), int(is_seen.sum())
        if num_seen and not unseen_only:
            raise ValueError(
                f"Of the {len(part):,} {name} {data.noun}, {num_trained:,} trained the checkpoint and "
                f"{num_seen - num_trained:,} chose its best epoch, because it was trained on {self._theirs()} and this "
                f"is {self._ours()}: use the data and the `data` settings of its run, or score only the "
                f"other {data.noun} with `--data.unseen_only true`."
            )
        if num_seen == len(part):
            raise ValueError(
                f"All {len(part):,} {name} {data.noun} trained the checkpoint or chose its best epoch, and "
                "`unseen_only` leaves them out; use other data."
            )
        notices = [
            Notice(
                "other_split",
                f"The checkpoint was trained on {self._theirs()} and is scored on {self._ours()}: none of the "
                f"{len(part) - num_seen:,} {name} {data.noun} trained it or chose its best epoch.",
            )
        ]
        if num_seen:
            split = replace(split, validation=part[~is_seen])
            parts = (split.train, split.validation, split.test)
            split = replace(split, fingerprint=split_fingerprint(data, parts))
            text = (
                f"Of the {len(part):,} validation {data.noun}, {counted(num_seen)} left out (`data.unseen_only`), "
                "because the checkpoint was trained or chosen on them."
            )
            notices.append(Notice("unseen_only", text))
        return split, notices

    def _own_test(self, made_it: Sentences) -> Notice:
        """Notice for the test sentences of the checkpoint's own split, which were loaded without the others."""
        texts = [self.data.texts[k] for k in self.split.test]
        text = f"These are the test {self.data.noun} of the checkpoint's own split, {self.origin.fingerprint}"
        if num_seen := int(are_seen(texts, made_it.both).sum()):
            text += f"; {counted(num_seen)} also trained or validated on, and `data.unseen_only: true` leaves them out"
        return Notice("own_test", f"{text}.")

    def _same_sentences(self) -> Notice:
        return Notice(
            "other_split",
            f"The checkpoint was trained on {self._theirs()} and is scored on {self._ours()}: training and validation "
            f"have the same {self.data.noun}, but the test {self.data.noun} or some labels differ.",
        )

    def _check_resume(self, made_it: Sentences) -> None:
        if digest_of(self.data, self.split) == made_it.digest:
            return  # only the test sentences differ, for example because of another `max_test`
        train, validation = ([self.data.texts[k] for k in part] for part in (self.split.train, self.split.validation))
        new = int((~are_seen(train, made_it.trained)).sum())
        new_validation = int((~are_seen(validation, made_it.validated)).sum())
        trained = int(are_seen(validation, made_it.trained).sum())
        differences = (
            f"of its {len(train):,} training {self.data.noun}, {counted(new)} new to the checkpoint, and of its "
            f"{len(validation):,} validation {self.data.noun}, which choose the best epoch, "
            f"{counted(new_validation)} new and {trained:,} trained it"
            if new or new_validation
            else "its training and validation sentences have other labels, another order or fewer of them"
        )
        raise ValueError(
            f"The checkpoint was trained on {self._theirs()} and cannot be resumed on {self._ours()}: {differences}; "
            "use the data and the `data` settings of its run, or start a new run without --ckpt_path."
        )

    def _unrecorded(self, stage: Stage, *, unseen_only: bool) -> list[Notice]:
        """Notices for a checkpoint that records at most the fingerprint of its split."""
        origin = self.origin
        unknown = "an older qlit wrote it and did not record the sentences that trained it or chose its best epoch"
        if origin.fingerprint in former_fingerprints(self.data, self.split, self.seed):
            text = (
                f"The test sentences are not those of the checkpoint's own split, {origin.fingerprint}; its training "
                "and validation sentences are the same."
            )
            return [Notice("other_split", text)] if stage == "test" else []
        if origin.fingerprint and (stage == "fit" or unseen_only or origin.dataset == self.data.name):
            raise ValueError(
                f"The checkpoint was trained on {self._theirs()} and cannot be {_DONE[stage]} {self._ours()}, because "
                f"{unknown}; use the data and the `data` settings of its run."
            )
        text = (
            f"The checkpoint was trained on {self._theirs()}; {unknown}, so it is unknown whether {self.data.name} "
            "contains some of them."
        )
        return [Notice("other_split", text)]

    def _theirs(self) -> str:
        return f"split {self.origin.fingerprint or '(not recorded)'} of {self.origin.dataset}"

    def _ours(self) -> str:
        return f"split {self.split.fingerprint} of {self.data.name}"


_DONE = {"fit": "resumed on", "validate": "validated on", "test": "tested on"}
