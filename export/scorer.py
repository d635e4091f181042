"""From files to rows: read, decode, crop, predict. The same in every thread, worker and engine."""

import functools
import hashlib
import os
import pathlib
import stat
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from export.listing import Picture
from export.looker import Looker
from export.predictor import Predictor
from export.score_config import ScoreConfig
from gender_tfds.images_cv import decode
from gender_tfds.run_folder import Prediction

CHUNK = 32  # pictures that a thread or worker takes at once
_BATCH = 32  # faces that the model sees at once


def read_file(path: str) -> bytes:
    """Returns the content of a regular file; never waits for a pipe's other end.

    Raises:
      ValueError: there is no such file, it is not a regular one, or it can't be read.
    """
    try:
        # a pipe opened to be read would wait for somebody who writes, and a device may do anything
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            status = os.fstat(descriptor)
            if not stat.S_ISREG(status.st_mode):
                raise ValueError("not a regular file")
            # straight: a file object asks the system thrice as much, and each question lets another thread go first
            return b"".join(iter(functools.partial(os.read, descriptor, status.st_size + 1), b""))
        finally:
            os.close(descriptor)
    except OSError as error:
        raise ValueError(error.strerror or "can't be read") from error


class Scorer:
    """Makes the rows of pictures. May be called from several threads at once.

    Args:
      predictor_of_thread: returns the calling thread's predictor; see `predictor.predictor_of_thread`.
      config: how to score.
      read: returns a file's bytes; raises ValueError with the reason if there are none.
      annotated_dir: where copies with boxes and labels go, with a detector; none if None.
    """

    def __init__(
        self,
        predictor_of_thread: Callable[[], Predictor],
        config: ScoreConfig,
        read: Callable[[str], bytes] = read_file,
        annotated_dir: pathlib.Path | None = None,
    ) -> None:
        self._predictor_of_thread = predictor_of_thread
        self.config = config
        self._read = read
        self._annotated_dir = annotated_dir
        self._looker = Looker(config)

    def score(self, pictures: Sequence[Picture]) -> list[list[dict[str, Any]]]:
        """Returns for each picture its rows, with the columns of `ScoreConfig.table_columns`."""
        predictor = self._predictor_of_thread()
        own = predictor.metadata["threshold"]
        threshold = own if self.config.threshold is None else self.config.threshold
        looked_at = [self._look(picture, predictor.metadata) for picture in pictures]
        crops = [crop for _, found in looked_at for crop in found]
        scores = iter(self._predict(predictor, crops))
        predicted = [
            [self._predicted(row, next(scores), threshold) for row, _ in zip(rows, found, strict=True)]
            if found
            else rows
            for rows, found in looked_at
        ]
        if self._annotated_dir:
            for picture, rows in zip(pictures, predicted, strict=True):
                self._annotate(picture, rows, self._annotated_dir)
        return predicted

    def _look(self, picture: Picture, metadata: dict[str, Any]) -> tuple[list[dict[str, Any]], list[np.ndarray]]:
        """Returns the rows that a picture will have, and the crop for each of them; none for a row with an error."""
        row: dict[str, Any] = {"path": picture.name}
        try:
            if picture.error:
                raise ValueError(picture.error)
            encoded = self._read(picture.path)
            if "sha256" in self.config.columns:
                row["sha256"] = hashlib.sha256(encoded).hexdigest()
        except ValueError as error:
            return self._looker.failed(row, error), []
        return self._looker.look(row, encoded, metadata)

    def _annotate(self, picture: Picture, rows: list[dict[str, Any]], folder: pathlib.Path) -> None:
        if rows[0]["face"] >= 0:
            from export.annotate import save_annotated

            # decoded once more: the photos of a batch would not all fit into memory
            save_annotated(folder, picture, decode(self._read(picture.path)), rows)

    def _predict(self, predictor: Predictor, crops: Sequence[np.ndarray]) -> list[float]:
        scores: list[float] = []
        for start in range(0, len(crops), _BATCH):
            images = np.stack(crops[start : start + _BATCH])
            p_female = predictor.predict(images)
            if self.config.tta:
                p_female = (p_female + predictor.predict(np.ascontiguousarray(images[:, :, ::-1]))) / 2
            scores += p_female.tolist()
        return scores

    def _predicted(self, row: dict[str, Any], p_female: float, threshold: float) -> dict[str, Any]:
        return row | vars(Prediction.from_probability(row["path"], p_female, self.config.min_confidence, threshold))
