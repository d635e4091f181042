"""What a server does with pictures, without HTTP: admit, decode, score in batches, change the model meanwhile."""

import asyncio
import contextlib
import dataclasses
import itertools
import logging
import os
import pathlib
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from export.batching import Batcher
from export.looker import Looker
from export.predictor import Predictor, identify, load_predictor
from export.requests_http import RefusedError
from export.score_config import DETECTORS, ScoreConfig
from gender_tfds.run_folder import Prediction
from gender_tfds.threads import available_processors
from gender_tfds.user_error import UserError

log = logging.getLogger(__name__)

_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)


class OverloadedError(Exception):
    """So much waits already that the client may try again in a while."""


class Numbers:
    """What Prometheus is told; over all workers where there are several (`PROMETHEUS_MULTIPROC_DIR`)."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        own: dict[str, Any] = {"registry": self.registry}
        self.requests = Counter("gender_requests", "Requests by path and status", ["path", "status"], **own)
        self.errors = Counter("gender_errors", "Pictures without a prediction, by reason", ["reason"], **own)
        self.latency = Histogram(
            "gender_latency_seconds",
            "Time from a request's head to its answer, its body included",
            buckets=_SECONDS,
            **own,
        )
        self.batch_size = Histogram(
            "gender_batch_size", "Pictures scored at once", buckets=[2**power for power in range(9)], **own
        )
        self.queue_depth = Gauge(
            "gender_queue_depth", "Pictures admitted and not answered", multiprocess_mode="livesum", **own
        )

    def text(self) -> bytes:
        """Returns the numbers in Prometheus' format."""
        registry = self.registry
        if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
            from prometheus_client import multiprocess

            registry = CollectorRegistry()
            multiprocess.MultiProcessCollector(registry)
        return prometheus_client.generate_latest(registry)


@dataclasses.dataclass(frozen=True)
class Model:
    """An artefact that has passed its self-test."""

    predictor: Predictor
    name: str

    @classmethod
    def load(cls, path: pathlib.Path) -> "Model":
        """Loads an artefact and lets it score two pictures, each alone and both together.

        Raises:
          UserError: it can't be loaded, or its answers are no probabilities.
        """
        name = identify(path)
        predictor = load_predictor(path)
        size = predictor.image_size
        pictures = np.random.default_rng(0).integers(0, 256, (2, size, size, 3), np.uint8)
        together = predictor.predict(pictures)
        alone = np.concatenate([predictor.predict(pictures[:1]), predictor.predict(pictures[1:])])
        if not (np.all((together >= 0) & (together <= 1)) and np.allclose(together, alone, atol=0.02)):
            raise UserError(f"--model={path} fails its self-test: it answers {together} and {alone}; export it again")
        return cls(predictor, name)


class Service:
    """A model with its queue. Belongs to one event loop.

    Args:
      path: of the artefact.
      max_batch_size: pictures that are scored at once.
      max_latency: seconds that a picture waits for others.
      max_queue: pictures that may be admitted and not yet answered.

    Raises:
      UserError: no such artefact, or one that fails its self-test.
    """

    def __init__(self, path: pathlib.Path, *, max_batch_size: int, max_latency: float, max_queue: int) -> None:
        self.numbers = Numbers()
        self.model = Model.load(path)
        self._path = path
        self._max_queue = max_queue
        self._admitted = 0
        self._pool = ThreadPoolExecutor(available_processors(), "decode")
        self._reloading = threading.Lock()
        self._lookers = {name: Looker(ScoreConfig(detector=name)) for name in DETECTORS}
        self._batcher = Batcher(
            self.model.predictor.predict,
            max_batch_size=max_batch_size,
            max_latency=max_latency,
            observe=self.numbers.batch_size.observe,
        )

    async def score(
        self, names: Sequence[str], encoded: Sequence[bytes], min_confidence: float, detector: str = "none"
    ) -> list[dict[str, Any]]:
        """Returns a row for each picture or, with a detector, for each face.

        Args:
          names: what the rows are called by.
          encoded: the bytes of each file.
          min_confidence: below it a face is undecided.
          detector: as of `ScoreConfig`.

        Returns:
          Rows with the fields of `Prediction`, and with a detector those of `score_config.FACE_COLUMNS`.

        Raises:
          OverloadedError: so many pictures wait already that these would be over `max_queue`.
          RefusedError: 413, they are more than `max_queue` by themselves.
        """
        with self._admitted_to_queue(len(encoded)):
            metadata = self.model.predictor.metadata
            threshold = metadata["threshold"]
            loop, looker = asyncio.get_running_loop(), self._lookers[detector]
            looked_at = await asyncio.gather(
                *(
                    loop.run_in_executor(self._pool, looker.look, {"path": name}, data, metadata)
                    for name, data in zip(names, encoded, strict=True)
                )
            )
            crops = [crop for _, found in looked_at for crop in found]
            scores = iter(await asyncio.gather(*(self._batcher.score(crop) for crop in crops)))
            answer = []
            for row in itertools.chain.from_iterable(rows for rows, _ in looked_at):
                if row.get("error"):
                    prediction = Prediction(row["path"], error=row["error"])
                else:
                    prediction = Prediction.from_probability(row["path"], next(scores), min_confidence, threshold)
                answer.append(self._counted(prediction) | row)
            return answer

    async def score_pixels(self, names: Sequence[str], images: np.ndarray) -> list[dict[str, Any]]:
        """Returns the same rows for pictures that are decoded already, uint8 (n, size, size, 3)."""
        with self._admitted_to_queue(len(images)):
            threshold = self.model.predictor.metadata["threshold"]
            scores = await asyncio.gather(*(self._batcher.score(image) for image in images))
            return [
                self._counted(Prediction.from_probability(name, score, threshold=threshold))
                for name, score in zip(names, scores, strict=True)
            ]

    def reload(self) -> bool:
        """Takes the artefact anew from its path; keeps the old one, and says so, if the new one fails its self-test."""
        with self._reloading:
            try:
                model = Model.load(self._path)
                if model.predictor.image_size != self.model.predictor.image_size:
                    # pictures are waiting that were decoded to the old size
                    raise UserError(f"{self._path} takes pictures of another size; start the server again")
            except Exception as error:  # whatever it is, the old model goes on serving
                log.error("The model was not changed: %s", error)
                return False
            self._batcher.predict = model.predictor.predict
            self.model = model
        log.info("Serving %s.", model.name)
        return True

    async def close(self) -> None:
        """Stops the threads."""
        await self._batcher.close()
        self._pool.shutdown()

    def _counted(self, prediction: Prediction) -> dict[str, Any]:
        if prediction.error:
            self.numbers.errors.labels(prediction.error).inc()
        return dataclasses.asdict(prediction)

    @contextlib.contextmanager
    def _admitted_to_queue(self, number: int) -> Iterator[None]:
        if number > self._max_queue:
            raise RefusedError(413, f"{number} pictures are more than can wait here; send {self._max_queue} or fewer")
        if self._admitted + number > self._max_queue:
            raise OverloadedError
        self._admitted += number
        self.numbers.queue_depth.set(self._admitted)
        try:
            yield
        finally:
            self._admitted -= number
            self.numbers.queue_depth.set(self._admitted)
