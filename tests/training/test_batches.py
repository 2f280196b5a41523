"""Batches are the same in all, however many processes share them."""

import pytest
import torch

from qlit.training.batches import BatchLoader

# Samples and batch sizes with an uneven last batch, one of a single row, one batch alone, and none uneven.
SIZES = [(23, 5), (21, 5), (7, 16), (20, 4), (3, 1)]


def loader(num_samples=23, batch_size=5, **kwargs):
    """Embeddings whose first component is the sample's number, labels that are it too."""
    numbers = torch.arange(num_samples)
    inputs = torch.stack((numbers.double(), torch.full((num_samples,), 0.5).double()), dim=1)
    return BatchLoader(inputs, numbers, batch_size, **kwargs)


def seen(*loaders):
    return torch.cat([batch.labels for each in loaders for batch in each]).tolist()


@pytest.mark.parametrize("world_size", [1, 2, 3])
@pytest.mark.parametrize(("num_samples", "batch_size"), SIZES)
@pytest.mark.parametrize("seed", [None, 4])
def test_every_sample_is_seen_exactly_once_an_epoch(num_samples, batch_size, world_size, seed):
    ranks = [loader(num_samples, batch_size, seed=seed, rank=rank, world_size=world_size) for rank in range(world_size)]
    for epoch in (0, 1):
        for each in ranks:
            each.sampler.set_epoch(epoch)
        assert sorted(seen(*ranks)) == list(range(num_samples))


@pytest.mark.parametrize("world_size", [2, 3])
@pytest.mark.parametrize(("num_samples", "batch_size"), SIZES)
def test_the_parts_of_the_ranks_are_the_batch_of_one_process(num_samples, batch_size, world_size):
    alone = list(loader(num_samples, batch_size, seed=1))
    shared = [
        list(loader(num_samples, batch_size, seed=1, rank=rank, world_size=world_size)) for rank in range(world_size)
    ]
    assert len(alone) == len(loader(num_samples, batch_size)) == -(-num_samples // batch_size)
    assert {len(each) for each in shared} == {len(alone)}
    for number, whole in enumerate(alone):
        parts = [each[number] for each in shared]
        assert torch.equal(torch.cat([part.labels for part in parts]), whole.labels)
        assert torch.equal(torch.cat([part.inputs for part in parts]), whole.inputs)
        for part in parts:
            assert part.number == whole.number == number
            assert part.num_rows == whole.num_rows == len(whole.labels)
            rows = slice(part.first_row, part.first_row + len(part.labels))
            assert torch.equal(whole.labels[rows], part.labels)
        sizes = [len(part.labels) for part in parts]
        assert max(sizes) - min(sizes) <= 1


def test_inputs_and_labels_stay_together():
    for batch in loader(seed=3):
        assert torch.equal(batch.inputs[:, 0].long(), batch.labels)
        assert batch.inputs.dtype == torch.float64


def test_the_last_batch_is_what_is_left():
    assert [batch.num_rows for batch in loader(23, 5)] == [5, 5, 5, 5, 3]


def test_epochs_differ_and_a_seed_means_one_order():
    orders = {}
    for seed in (0, 1):
        for epoch in (0, 1, 2):
            first, second = loader(seed=seed), loader(seed=seed)
            for each in (first, second):
                each.sampler.set_epoch(epoch)
            orders[seed, epoch] = tuple(seen(first))
            assert orders[seed, epoch] == tuple(seen(second)) == tuple(seen(first))
    assert len(set(orders.values())) == 6
    assert tuple(range(23)) not in orders.values()


def test_without_a_seed_nothing_is_shuffled_in_any_epoch():
    each = loader()
    each.sampler.set_epoch(5)
    assert seen(each) == list(range(23))


def test_a_rank_may_have_no_rows_of_a_batch():
    ranks = [list(loader(9, 4, rank=rank, world_size=3)) for rank in range(3)]
    last = [each[-1] for each in ranks]
    assert [len(part.labels) for part in last] == [0, 0, 1]
    assert [part.num_rows for part in last] == [1, 1, 1]
    assert last[0].inputs.shape == (0, 2)


@pytest.mark.parametrize("seed", [None, 3])
def test_the_rows_of_a_process_are_those_it_sees(seed):
    ranks = [loader(23, 5, seed=seed, rank=rank, world_size=3) for rank in range(3)]
    for each in ranks:
        assert each.rows().tolist() == seen(each)
    assert sorted(torch.cat([each.rows() for each in ranks]).tolist()) == list(range(23))


def test_texts_are_tokenised_batch_by_batch():
    asked = []

    def tokenize(texts):
        asked.append(texts)
        return {"lengths": torch.tensor([len(text) for text in texts])}

    texts = ["a", "bb", "ccc", "dddd", "eeeee"]
    batches = list(BatchLoader(texts, torch.arange(5), 2, rank=1, world_size=2, tokenize=tokenize))
    assert asked == [["bb"], ["dddd"], ["eeeee"]]
    assert [batch.inputs["lengths"].tolist() for batch in batches] == [[2], [4], [5]]
    assert [batch.first_row for batch in batches] == [1, 1, 0]


@pytest.mark.parametrize("batch_size", [0, -3])
def test_a_batch_without_rows_is_refused(batch_size):
    with pytest.raises(ValueError, match=rf"`batch_size >= 1` must hold, but got batch_size={batch_size}\."):
        loader(batch_size=batch_size)


def test_a_fixed_order_is_that_of_the_first_epoch():
    fixed, varying = (loader(seed=3, is_fixed=is_fixed) for is_fixed in (True, False))
    first = seen(varying)
    for each in (fixed, varying):
        each.sampler.set_epoch(7)
    assert seen(fixed) == fixed.rows().tolist() == first != seen(varying)
    assert sorted(first) == list(range(23))
