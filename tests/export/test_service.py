"""The service without HTTP: the self-test of a model, and what may wait."""

import asyncio

import cv2
import numpy as np
import pytest

from export import service
from export.requests_http import RefusedError
from export.service import Model, OverloadedError, Service
from gender_tfds.user_error import UserError


def _use(artefacts, work, **options):
    async def main():
        limits = {"max_batch_size": 8, "max_latency": 0.001, "max_queue": 4} | options
        running = Service(artefacts / "model_float32.tflite", **limits)
        try:
            return await work(running)
        finally:
            await running.close()

    return asyncio.run(main())


def test_a_row_for_each_picture_in_order_and_a_reason_where_there_is_none(artefacts, test_faces):
    rows = _use(artefacts, lambda one: one.score(["a", "b", "c"], [test_faces[0], b"x", test_faces[1]], 0.0))
    assert [row["path"] for row in rows] == ["a", "b", "c"]
    assert [row["error"] is None for row in rows] == [True, False, True]


def test_pictures_over_the_queue_are_refused_and_the_place_is_free_again(artefacts, test_faces):
    async def work(running):
        with pytest.raises(RefusedError, match="5 pictures are more than can wait here; send 4 or fewer"):
            await running.score(list("abcde"), test_faces[:5], 0.0)
        both = await asyncio.gather(
            running.score(list("abc"), test_faces[:3], 0.0),
            running.score(list("de"), test_faces[3:5], 0.0),
            return_exceptions=True,
        )
        again = await running.score(list("abcd"), test_faces[:4], 0.0)
        return both, again

    (first, second), again = _use(artefacts, work)
    assert len(first) == 3
    assert isinstance(second, OverloadedError)
    assert len(again) == 4


class Faulty:
    image_size = 16
    note = ""
    metadata = {"threshold": 0.5, "image_size": 16}  # noqa: RUF012

    def __init__(self, answer):
        self.predict = answer


@pytest.mark.parametrize(
    "answer",
    [
        lambda images: np.full(len(images), np.nan),
        lambda images: np.full(len(images), 1.5),
        lambda images: np.full(len(images), 0.5 + 0.1 * len(images)),
    ],
    ids=["nan", "no probability", "other in batches"],
)
def test_a_model_that_fails_its_self_test_is_not_served(monkeypatch, artefacts, answer):
    path = artefacts / "model_float32.tflite"
    assert Model.load(path).predictor.image_size == 32
    monkeypatch.setattr(service, "load_predictor", lambda path: Faulty(answer))
    with pytest.raises(UserError, match="fails its self-test"):
        Model.load(path)


def test_an_answer_that_is_no_probability_is_an_error_of_its_picture_alone(monkeypatch, artefacts, test_faces):
    error = "the model gives no number for this picture"
    pixels = np.stack([np.zeros((16, 16, 3), np.uint8), np.full((16, 16, 3), 255, np.uint8)])
    white = cv2.imencode(".png", pixels[1])[1].tobytes()
    # it passes the self-test
    fails_on_white = Faulty(lambda images: np.where(images.mean(axis=(1, 2, 3)) > 254, np.nan, 0.25))
    monkeypatch.setattr(service, "load_predictor", lambda path: fails_on_white)

    async def work(running):
        rows = await running.score(["a", "b", "c"], [test_faces[0], white, b"x"], 0.0)
        return rows, await running.score_pixels(["a", "b"], pixels), running.numbers.text().decode()

    rows, of_pixels, numbers = _use(artefacts, work)
    assert [row["p_female"] for row in rows] == [0.25, None, None]
    assert rows[1]["error"] == error
    assert [(row["path"], row["p_female"], row["error"]) for row in of_pixels] == [
        ("a", 0.25, None),
        ("b", None, error),
    ]
    assert f'gender_errors_total{{reason="{error}"}} 2.0' in numbers


def test_a_new_model_of_another_size_is_not_taken(monkeypatch, artefacts, test_faces):
    async def work(running):
        monkeypatch.setattr(service, "load_predictor", lambda path: Faulty(lambda images: np.full(len(images), 0.5)))
        assert not running.reload()
        return await running.score(["a"], test_faces[:1], 0.0)

    assert _use(artefacts, work)[0]["error"] is None
