"""What a storage keeps of a study's overrides: no password, and no server."""

from dataclasses import replace

import pytest
from studies.small import small_study, trials_of

from qlit.studies.files.study_file import read_study
from qlit.studies.overrides import SERVER, restored, stored
from qlit.studies.trials.storage import location_of
from qlit.studies.trials.trials import Trials

SECRET = "http://me:wallaby@host:5000"


def opened(folder, study, *, create=False):
    return Trials(study, location_of(f"journal:{folder}/small.journal", study.name), create=create)


def test_a_storage_keeps_neither_server_nor_password(tmp_path):
    study = small_study(tmp_path)
    given = {SERVER: SECRET, "tracking.tags": {"a": SECRET}, "data.source": ["x", SECRET], "model.lr": 0.1}
    study = replace(study, overrides=given)
    trials = opened(tmp_path, study, create=True)
    trials.note_overrides()
    assert b"wallaby" not in (tmp_path / "small.journal").read_bytes()
    kept = trials.study.user_attrs["overrides"]
    hidden = "http://***@host:5000"
    assert kept == {"tracking.tags": {"a": hidden}, "data.source": ["x", hidden], "model.lr": 0.1}
    assert opened(tmp_path, study).definition.overrides == given


def test_the_server_may_be_another_one_and_is_never_the_storage_s(tmp_path):
    study = small_study(tmp_path)
    trials = opened(tmp_path, replace(study, overrides={SERVER: SECRET}), create=True)
    trials.study.set_user_attr("overrides", {SERVER: "http://stranger", "data.source": "x"})
    assert opened(tmp_path, study).definition.overrides == {"data.source": "x"}
    own = replace(study, overrides={SERVER: "http://mine"})
    assert opened(tmp_path, own).definition.overrides == {"data.source": "x", SERVER: "http://mine"}
    assert opened(tmp_path, own, create=True).definition.overrides == {SERVER: "http://mine"}


def test_a_study_whose_fingerprint_covers_the_server_is_still_found(tmp_path):
    study = replace(small_study(tmp_path), overrides={SERVER: "http://mine"})
    trials = opened(tmp_path, study, create=True)
    new, older, _ = study.fingerprints
    assert new != older
    trials.study.set_user_attr("fingerprint", older)
    assert opened(tmp_path, study, create=True).definition.overrides == {SERVER: "http://mine"}


def test_the_base_may_name_the_server_or_not(tmp_path):
    study = small_study(tmp_path)
    first = study.fingerprint
    (tmp_path / "base.yaml").write_text(f"a: {{}}\ntracking: {{tracking_uri: '{SECRET}'}}\n")
    assert study.fingerprint == first


@pytest.mark.parametrize("kept", [None, 7, "x", [1]])
def test_other_overrides_are_damage(kept):
    with pytest.raises(ValueError, match="no `overrides` of this study: it is damaged"):
        restored(kept, {})


def test_a_value_that_was_hidden_is_taken_from_this_command():
    kept = stored({"a": SECRET, "b": 1})
    assert restored(kept, {"a": "now"}) == {"a": "now", "b": 1}
    assert restored(kept, {}) == {"a": "http://***@host:5000", "b": 1}


def test_a_factor_has_no_password_among_its_values(tmp_path):
    (tmp_path / "base.yaml").write_text("a: {}\n")
    (tmp_path / "s.yaml").write_text(f"base: base.yaml\nfactors: {{tracking.tracking_uri: ['{SECRET}', x]}}\n")
    with pytest.raises(ValueError, match="has a password among its values") as error:
        read_study(tmp_path / "s.yaml")
    assert "wallaby" not in str(error.value)


def test_the_journal_of_a_plain_study_is_as_before(tmp_path):
    assert trials_of(tmp_path).study.user_attrs["overrides"] == {}
