"""Work done in threads, its results in order, never more of it under way than fits into memory."""

import collections
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")
_AHEAD = 3  # chunks in work for each thread: enough to never wait, few enough to fit into memory


def available_processors() -> int:
    """Returns how many processors this process may use: a container or `taskset` may leave it fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_threads(
    work: Callable[[Sequence[_Item]], _Result], items: Iterable[_Item], chunk: int, threads: int | None = None
) -> Iterator[_Result]:
    """Yields what `work` makes of the items, some at a time, in their order; items are taken only as they are needed.

    Args:
      work: called in the threads.
      items: may be endless.
      chunk: items that `work` is given at once, but for the last.
      threads: to work in; one for each available processor if None.
    """
    threads, items = threads or available_processors(), iter(items)
    with ThreadPoolExecutor(threads, "work") as pool:
        ahead: collections.deque[Future] = collections.deque()
        try:
            while True:
                while len(ahead) < threads * _AHEAD and (some := list(itertools.islice(items, chunk))):
                    ahead.append(pool.submit(work, some))
                if not ahead:
                    return
                yield ahead.popleft().result()
        finally:
            for future in ahead:
                future.cancel()
