"""Threads take turns, and a training finds its own global state when it has the turn again."""

import os
import random
import threading
import time

import lightning.pytorch as pl
import numpy as np
import pytest
import torch

from qlit.training.turns import Turns, turns_of_thread


def together(turns, *works):
    """Run functions in threads, which ask for their turns in this order; raise the first error."""
    errors = []

    def caught(work):
        try:
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=caught, args=(work,)) for work in works]
    with turns.taken():
        for number, thread in enumerate(threads):
            thread.start()
            while len(turns._asking) < number + 2:
                time.sleep(0.001)
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    if errors:
        raise errors[0]


def test_threads_run_one_at_a_time_in_the_order_in_which_they_ask():
    turns, seen = Turns(), []

    def work(name):
        with turns.taken():
            for number in range(3):
                seen.append((name, number))
                turns.pass_on()

    together(turns, *(lambda name=name: work(name) for name in "abc"))
    assert seen == [(name, number) for number in range(3) for name in "abc"]


def test_others_run_while_a_device_works():
    turns, device_is_done, seen = Turns(), threading.Event(), []

    def waits():
        with turns.taken():
            turns.pass_on(lambda: device_is_done.wait(10))
            seen.append("waited")

    def works():
        with turns.taken():
            seen.append("worked")
            device_is_done.set()

    together(turns, waits, works)
    assert seen == ["worked", "waited"]


def draws(seed, num_draws, pass_on):
    """Random numbers and the seed of a training that gives up its turn between them."""
    pl.seed_everything(seed, workers=True, verbose=False)
    torch.use_deterministic_algorithms(seed % 2 == 0)
    drawn = []
    for _ in range(num_draws):
        drawn.append((random.random(), np.random.rand(), torch.rand(()).item(), os.environ["PL_GLOBAL_SEED"]))
        assert torch.are_deterministic_algorithms_enabled() == (seed % 2 == 0)
        pass_on()
    return drawn


def test_every_training_draws_what_it_draws_alone():
    expected = {seed: draws(seed, 4, lambda: None) for seed in (1, 2, 3)}
    turns, found = Turns(), {}

    def work(seed):
        with turns.taken():
            found[seed] = draws(seed, 4, turns.pass_on)

    together(turns, *(lambda seed=seed: work(seed) for seed in expected))
    torch.use_deterministic_algorithms(False)
    assert found == expected


def test_a_failed_check_ends_a_training_and_leaves_the_turn_to_others():
    stopped = threading.Event()

    def check():
        if stopped.is_set():
            raise InterruptedError

    turns, seen = Turns(check), []

    def fails():
        with turns.taken():
            stopped.set()
            turns.pass_on()

    def works():
        with turns.taken():
            seen.append(turns_of_thread() is turns)

    with pytest.raises(InterruptedError):
        together(turns, fails, works)
    assert seen == [True]
    assert turns_of_thread() is None
