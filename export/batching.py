"""Many requests, one model: pictures that wait together are scored together."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np


class Batcher:
    """A queue of pictures before a model; who puts them in bounds it.

    A batch is scored when it is full, or when its first picture has waited for `max_latency` seconds; while the model
    is busy, a batch grows. Belongs to one event loop; the model runs in one thread of its own.

    Args:
      predict: uint8 (n, size, size, 3) to float32 (n,), such as `Predictor.predict`. It may be replaced at any time.
      max_batch_size: pictures that are scored at once.
      max_latency: seconds that a picture waits for others.
      observe: told of each batch's size.
    """

    def __init__(
        self,
        predict: Callable[[np.ndarray], np.ndarray],
        *,
        max_batch_size: int,
        max_latency: float,
        observe: Callable[[int], None] = lambda size: None,
    ) -> None:
        self.predict = predict
        self._max_batch_size = max_batch_size
        self._max_latency = max_latency
        self._observe = observe
        self._waiting: asyncio.Queue = asyncio.Queue()
        self._thread = ThreadPoolExecutor(1, "model")
        self._task: asyncio.Task | None = None

    async def score(self, image: np.ndarray) -> float:
        """Returns p(female) of a picture, uint8 (size, size, 3), or raises what the model raised."""
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())
        future = asyncio.get_running_loop().create_future()
        self._waiting.put_nowait((time.monotonic(), image, future))
        return await future

    async def close(self) -> None:
        """Stops; what still waits is cancelled."""
        if self._task:
            self._task.cancel()
        while not self._waiting.empty():
            self._waiting.get_nowait()[2].cancel()
        self._thread.shutdown()

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            some = [await self._waiting.get()]
            until = some[0][0] + self._max_latency
            while len(some) < self._max_batch_size:
                try:
                    some.append(self._waiting.get_nowait())
                except asyncio.QueueEmpty:
                    left = until - time.monotonic()
                    if left <= 0:
                        break
                    try:
                        some.append(await asyncio.wait_for(self._waiting.get(), left))
                    except TimeoutError:
                        break
            some = [one for one in some if not one[2].done()]  # whose client has not gone away
            if not some:
                continue
            self._observe(len(some))
            try:
                scores = await loop.run_in_executor(self._thread, self.predict, np.stack([one[1] for one in some]))
            except Exception as error:  # of this batch alone: the next one is scored
                for _, _, future in some:
                    if not future.done():
                        future.set_exception(error)
                continue
            for (_, _, future), score in zip(some, scores, strict=True):
                if not future.done():
                    future.set_result(float(score))
