"""Seeds by purpose, epoch and batch."""

from qlit.training.seeds import seed_of


def test_every_purpose_epoch_and_batch_has_its_own_seed(monkeypatch):
    places = [
        (purpose, epoch, number) for purpose in ("train", "val", "test") for epoch in range(9) for number in range(200)
    ]
    places += [("dropout", epoch, rank) for epoch in range(9) for rank in range(4)]
    seeds = {}
    for run_seed in ("0", "42"):
        monkeypatch.setenv("PL_GLOBAL_SEED", run_seed)
        seeds |= {(run_seed, *place): seed_of(*place) for place in places}
    assert len(set(seeds.values())) == len(seeds)
    assert all(0 <= seed < 2**63 for seed in seeds.values())
    assert len({seed % 2**32 for seed in seeds.values()}) > len(seeds) - 20  # torch's generator uses these bits


def test_a_seed_is_the_same_in_another_process_and_another_version(monkeypatch):
    monkeypatch.setenv("PL_GLOBAL_SEED", "7")
    assert seed_of("train", 3, 100) == 9101873490740147696  # of numpy 2; it promises its seed sequences for ever
    monkeypatch.setenv("PL_GLOBAL_SEED", "8")
    assert seed_of("train", 3, 100, run_seed=7) == 9101873490740147696
