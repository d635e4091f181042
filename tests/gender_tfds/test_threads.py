"""threads: results in order, work side by side, and no more of it taken up than a few chunks."""

import itertools
import os
import random
import threading
import time

import pytest

from gender_tfds.threads import in_threads


def doubled(some):
    time.sleep(random.random() / 1000)  # so that threads overtake one another
    return [2 * item for item in some]


@pytest.mark.parametrize("threads", [1, 4, None])
@pytest.mark.parametrize("chunk", [1, 7, 200])
def test_results_keep_the_order_of_the_items(chunk, threads):
    results = list(in_threads(doubled, range(100), chunk, threads))
    assert list(itertools.chain(*results)) == [2 * item for item in range(100)]
    assert [len(some) for some in results] == [chunk] * (100 // chunk) + [100 % chunk] * (100 % chunk > 0)


def test_nothing_is_made_of_nothing():
    assert list(in_threads(doubled, [], 8)) == []


def test_threads_work_at_the_same_time():
    together = threading.Barrier(3, timeout=20)  # breaks unless three meet
    assert len(list(in_threads(lambda some: together.wait(), range(3), 1, threads=3))) == 3
    with pytest.raises(threading.BrokenBarrierError):
        list(in_threads(lambda some: threading.Barrier(3, timeout=0.01).wait(), range(3), 1, threads=1))


def test_an_endless_stream_is_taken_from_only_as_it_is_needed():
    taken = itertools.count()
    results = in_threads(doubled, taken, chunk=4, threads=2)
    for _ in range(10):
        next(results)
    results.close()
    seen = next(taken)
    assert 40 <= seen <= 100  # ten chunks of 4, and those that two threads have ahead


def test_a_fault_is_raised_where_the_results_are_read():
    results = in_threads(lambda some: 1 // some[0], [1, 0, 1], chunk=1, threads=2)
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)


@pytest.mark.parametrize("processors", [1, 3])
def test_there_are_as_many_threads_as_processors_that_may_be_used(monkeypatch, processors):
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(processors)), raising=False)
    together, used = threading.Barrier(processors), set()

    def work(some):
        used.add(threading.get_ident())
        together.wait(timeout=60)
        return some

    assert list(in_threads(work, range(2 * processors), 1)) == [[item] for item in range(2 * processors)]
    assert len(used) == processors
