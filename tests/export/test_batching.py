"""The queue before a model: batches fill while it is busy, answers reach who asked, failures stay where they are."""

import asyncio
import threading

import numpy as np
import pytest

from export.batching import Batcher

SIZE = 4


class Model:
    """Answers a picture's first value; remembers the sizes of its batches; waits while `gate` is closed."""

    def __init__(self):
        self.sizes = []
        self.begun = threading.Event()
        self.gate = threading.Event()
        self.gate.set()

    def predict(self, images):
        self.begun.set()
        self.gate.wait(10)
        self.sizes.append(len(images))
        if (images[:, 0, 0, 0] == 13).any():
            raise ValueError("thirteen")
        return images[:, 0, 0, 0].astype(np.float32) / 255


def _image(value):
    return np.full((SIZE, SIZE, 3), value, np.uint8)


def _run(work, model, **options):
    async def main():
        batcher = Batcher(model.predict, **{"max_batch_size": 8, "max_latency": 0.05} | options)
        try:
            return await work(batcher)
        finally:
            model.gate.set()
            await batcher.close()

    return asyncio.run(main())


def test_each_caller_gets_the_answer_to_its_own_picture():
    async def work(batcher):
        return await asyncio.gather(*(batcher.score(_image(value)) for value in range(100, 120)))

    answers = _run(work, Model())
    np.testing.assert_allclose(answers, np.arange(100, 120) / 255)


def test_pictures_that_come_together_are_scored_together_and_no_more_than_allowed():
    model = Model()

    async def work(batcher):
        await asyncio.gather(*(batcher.score(_image(100)) for _ in range(20)))

    seen = []
    _run(work, model, observe=seen.append)
    assert sum(model.sizes) == 20
    assert max(model.sizes) == 8
    assert seen == model.sizes


def test_a_lone_picture_does_not_wait_for_ever():
    model = Model()
    _run(lambda batcher: asyncio.wait_for(batcher.score(_image(1)), 5), model, max_latency=0.01)
    assert model.sizes == [1]


def test_a_batch_grows_while_the_model_is_busy():
    model = Model()
    model.gate.clear()

    async def work(batcher):
        first = asyncio.create_task(batcher.score(_image(1)))
        assert await asyncio.to_thread(model.begun.wait, 10)
        others = [asyncio.create_task(batcher.score(_image(2))) for _ in range(5)]
        await asyncio.sleep(0)
        model.gate.set()
        await asyncio.gather(first, *others)

    _run(work, model, max_latency=0.0)
    assert model.sizes == [1, 5]


def test_a_failure_reaches_its_batch_and_not_the_next_one():
    model = Model()

    async def work(batcher):
        failed = await asyncio.gather(*(batcher.score(_image(value)) for value in (1, 13)), return_exceptions=True)
        return failed, await batcher.score(_image(51))

    failed, after = _run(work, model)
    assert [str(error) for error in failed] == ["thirteen", "thirteen"]
    assert after == pytest.approx(0.2)


def test_a_caller_that_has_gone_away_is_left_out():
    model = Model()
    model.gate.clear()

    async def work(batcher):
        first = asyncio.create_task(batcher.score(_image(1)))
        assert await asyncio.to_thread(model.begun.wait, 10)
        gone, stays = (asyncio.create_task(batcher.score(_image(value))) for value in (13, 51))
        await asyncio.sleep(0)
        gone.cancel()
        model.gate.set()
        return await first, await stays

    assert _run(work, model)[1] == pytest.approx(0.2)
    assert model.sizes == [1, 1]
