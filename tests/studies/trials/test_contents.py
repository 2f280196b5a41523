"""A study goes on only with what it has read since it began."""

import json
from dataclasses import replace

import pytest
from studies.small import FACTORS, small_study, trials_of

from qlit.studies.definition import Factor
from qlit.studies.trials.contents import ChangedError, contents_key, known_contents
from qlit.studies.trials.trials import Trials

FACTS = {"data": "d", "body": "b", "numerics": "1", "settings": "s"}


def finish_one(trials):
    trials.fill()
    claimed = trials.claim()
    assert trials.finish(claimed, [1.0])


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"data": "e", "settings": "t"}, "the data has changed since it started"),
        ({"body": "e", "data": "e"}, "the data and the body have changed since it started"),
        ({"numerics": "2"}, "the way in which qlit computes has changed"),
        ({"settings": "t"}, "the config has changed"),
    ],
)
def test_what_has_changed_is_refused_with_a_way_out(tmp_path, change, what):
    trials = trials_of(tmp_path)
    trials.check_contents("{}", FACTS)
    finish_one(trials)
    trials.check_contents("{}", FACTS)
    trials.check_contents("{}", {name: FACTS[name] for name in ("data", "body", "numerics")})  # as workers do
    with pytest.raises(ChangedError, match=f"Study 'small' cannot continue: {what}.*or give the study another `name`"):
        trials_of(tmp_path).check_contents("{}", {**FACTS, **change})
    assert known_contents(trials.study) == {"{}": FACTS}


def test_each_data_set_of_a_factor_is_noted_by_itself(tmp_path):
    source = Factor("source", ("data.source",), ("a.tsv", "b.tsv"))
    trials = trials_of(tmp_path, factors=(*FACTORS, source))
    keys = [contents_key(trials.definition, {"x": 0, "source": level}) for level in source.levels]
    assert keys == ['{"source": "a.tsv"}', '{"source": "b.tsv"}']
    for key, data in zip(keys, "ab", strict=True):
        trials.check_contents(key, {**FACTS, "data": data})
    finish_one(trials)
    with pytest.raises(ChangedError, match="the data has changed"):
        trials.check_contents(keys[1], {**FACTS, "data": "a"})


def test_a_study_of_an_older_version_is_looked_at_but_not_gone_on_with(tmp_path):
    trials = trials_of(tmp_path)
    trials.study.set_user_attr("fingerprint", trials.definition.named_fingerprint)
    finish_one(trials)
    again = trials_of(tmp_path)
    assert known_contents(again.study) == {}
    with pytest.raises(ChangedError, match="Study 'small' cannot continue: it was started by an older qlit"):
        again.check_contents("{}", FACTS)


def test_data_and_body_may_be_named_by_another_path(tmp_path):
    study = small_study(tmp_path)
    study.base[0].write_text(json.dumps({"data": {"source": "/one/d.tsv", "body": "/one/b", "num_per_label": 8}}))
    first = study.fingerprint
    study.base[0].write_text(json.dumps({"data": {"source": "/two/d.tsv", "num_per_label": 8}}))
    moved = replace(study, overrides={"data.body": "/two/b", "data.cache_dir": "/two/cache"})
    assert moved.fingerprint == first
    assert moved.named_fingerprint != study.named_fingerprint
    study.base[0].write_text(json.dumps({"data": {"source": "/two/d.tsv", "num_per_label": 9}}))
    assert study.fingerprint != first


def test_configs_that_are_levels_count_by_what_they_hold(tmp_path):
    for name, lr in (("a.yaml", 0.1), ("b.yaml", 0.2)):
        (tmp_path / name).write_text(f"model: {{lr: {lr}}}\n")
    factor = Factor("which", ("config",), ("a.yaml", "b.yaml"))
    study = replace(small_study(tmp_path, factors=(*FACTORS, factor)), folder=tmp_path)
    first = study.fingerprint
    (tmp_path / "b.yaml").write_text("model: {lr: 0.3}\n")
    assert study.fingerprint != first


def test_other_paths_are_noted_for_those_who_look(tmp_path):
    study = small_study(tmp_path)
    trials = trials_of(tmp_path)
    moved = replace(study, overrides={"data.source": "/two/d.tsv"})
    again = Trials(moved, trials.location)
    again.note_overrides()
    assert Trials(study, trials.location, create=False).definition.overrides == {"data.source": "/two/d.tsv"}
