from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_pipeline.columns import Category, Column, Columns
from ml_pipeline.engines.local import BATCH_WORKING_SPACE, LocalEngine, available_cores
from ml_pipeline.models import LogisticRegression
from ml_pipeline.templates import Parameters

PLENTY = 64 << 30


def batch(rows: int, seed: int) -> dict[str, Column]:
    chance = np.random.default_rng(seed)
    n, block = chance.normal(size=rows), chance.normal(size=(rows, 5)) * 10.0 ** chance.integers(-3, 4, 5)
    word = Category(chance.integers(-1, 4, rows).astype(np.int32), ("a", "b", "c", "d"))
    late = (chance.random(rows) < 1 / (1 + np.exp(-n - word.codes))).astype(np.float64)
    return {"n": n, "block": block, "word": word, "late": late}


def features(whole: Columns) -> dict[str, Column]:
    return {name: column for name, column in whole.items() if name != "late"}


class Fitted(LogisticRegression):
    """Takes its label out of the batch, as a chain does by naming its inputs."""

    @classmethod
    def accumulate(cls, parameters: Parameters, x: Columns, y: Any) -> Any:
        return super().accumulate(parameters, features(x), y)


def fit(workers: int, loaders: list[Callable[[], dict[str, Column]]]) -> Parameters:
    engine = LocalEngine(workers, PLENTY)
    return Fitted.fit(Fitted(ridge=1.0).parameters, loaders, lambda given: given["late"], engine.total)


def bits(parameters: Any) -> str:
    """Every number as hexadecimal digits."""
    if isinstance(parameters, dict):
        return str({name: bits(value) for name, value in parameters.items()})
    if isinstance(parameters, (list, np.ndarray)):
        return str([bits(value) for value in parameters])
    return float(parameters).hex() if isinstance(parameters, float) else repr(parameters)


@settings(max_examples=5, deadline=None)
@given(st.lists(st.integers(20, 200), min_size=2, max_size=7), st.integers(0, 1000))
def test_the_same_bits_for_any_number_of_workers(sizes: list[int], seed: int) -> None:
    loaders = [lambda rows=rows, at=at: batch(rows, seed + at) for at, rows in enumerate(sizes)]  # type: ignore[misc]
    one, *others = (bits(fit(workers, loaders)) for workers in (1, 2, 5))
    assert "coefficients" in one
    assert others == [one, one]


def numbered(count: int) -> list[Callable[[], int]]:
    return [lambda number=number: number for number in range(count)]  # type: ignore[misc]


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_results_come_in_the_order_of_the_batches(workers: int) -> None:
    assert list(LocalEngine(workers, PLENTY).map(lambda n: n * n, numbered(20))) == [n * n for n in range(20)]


def test_a_batch_that_is_done_early_waits_for_its_turn() -> None:
    second_is_done = threading.Event()

    def compute(number: int) -> int:
        if number == 0:
            assert second_is_done.wait(30)
        if number == 1:
            second_is_done.set()
        return number

    assert list(LocalEngine(2, PLENTY).map(compute, numbered(4))) == [0, 1, 2, 3]


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_no_more_batches_are_in_memory_than_workers_and_one(workers: int) -> None:
    held, most, lock = 0, 0, threading.Lock()

    def load() -> int:
        nonlocal held, most
        with lock:
            held += 1
            most = max(most, held)
        return 1

    for _ in LocalEngine(workers, PLENTY).map(lambda loaded: loaded, [load] * 60):
        with lock:
            held -= 1
    assert held == 0
    assert most <= workers + 1


@pytest.mark.parametrize("workers", [1, 3])
@pytest.mark.parametrize("at", [0, 7, 19])
def test_an_exception_in_a_worker_is_raised_and_the_rest_is_left_alone(workers: int, at: int) -> None:
    begun: list[int] = []

    def compute(number: int) -> int:
        begun.append(number)
        if number == at:
            raise FloatingPointError("no such luck")
        return number

    results = LocalEngine(workers, PLENTY).map(compute, numbered(1000))
    with pytest.raises(FloatingPointError, match="no such luck"):
        list(results)
    assert max(begun) <= at + workers


def test_an_exception_while_summing_is_raised() -> None:
    def broken() -> dict[str, Column]:
        raise OSError("the part is gone")

    with pytest.raises(OSError, match="the part is gone"):
        fit(2, [lambda: batch(50, 0), broken, lambda: batch(50, 1)])


def test_who_stops_listening_stops_the_work_and_its_threads() -> None:
    begun: list[int] = []
    before = threading.active_count()
    results = LocalEngine(2, PLENTY).map(begun.append, numbered(1000))
    assert isinstance(results, Iterator)
    next(results)
    results.close()  # type: ignore[attr-defined]
    assert len(begun) <= 4
    assert threading.active_count() == before


def test_nothing_begins_before_somebody_listens() -> None:
    begun: list[int] = []
    LocalEngine(2, PLENTY).map(begun.append, numbered(3))
    assert begun == []


def test_no_batches_give_no_results_and_no_sum() -> None:
    engine = LocalEngine(2, PLENTY)
    assert list(engine.map(lambda n: n, [])) == []
    assert engine.total(Fitted, {}, [], None) is None


def test_progress_tells_every_batch_that_was_taken() -> None:
    told: list[tuple[int, int]] = []
    engine = LocalEngine(2, PLENTY, lambda done, of: told.append((done, of)))
    assert len(list(engine.map(lambda n: n, numbered(5)))) == 5
    assert told == [(done, 5) for done in range(1, 6)]


@pytest.mark.parametrize(
    ("wanted", "memory", "workers"),
    [
        (8, 8 * BATCH_WORKING_SPACE, 8),
        (8, 3 * BATCH_WORKING_SPACE, 3),
        (8, 3 * BATCH_WORKING_SPACE - 1, 2),
        (8, 1, 1),
        (1, PLENTY, 1),
        (None, PLENTY, available_cores()),
    ],
)
def test_memory_limits_the_workers(wanted: int | None, memory: int, workers: int) -> None:
    assert LocalEngine(wanted, memory).workers == workers


def test_linear_algebra_has_one_thread_in_each_worker() -> None:
    from threadpoolctl import threadpool_info

    def threads(_: int) -> list[int]:
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    found = list(itertools.chain(*LocalEngine(2, PLENTY).map(threads, numbered(3))))
    assert found
    assert set(found) == {1}
