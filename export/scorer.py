"""From files to rows: read, decode, crop, predict. The same in every thread, worker and engine."""

import hashlib
import os
import pathlib
import stat
import threading
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from export.listing import Picture
from export.predictor import Predictor
from export.score_config import ScoreConfig
from gender_tfds.images_cv import decode, resize
from gender_tfds.run_folder import Prediction

if TYPE_CHECKING:
    from export.detector import FaceDetector

_BATCH = 32  # faces that the model sees at once


def read_file(path: str) -> bytes:
    """Returns the content of a regular file; never waits for a pipe's other end.

    Raises:
      ValueError: there is no such file, it is not a regular one, or it can't be read.
    """
    try:
        # a pipe opened to be read would wait for somebody who writes, and a device may do anything
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            os.close(descriptor)
            raise ValueError("not a regular file")
        with os.fdopen(descriptor, "rb") as file:
            return file.read()
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
        self._own = threading.local()
        if config.finds_faces:
            self._detector()  # fails here, with one sentence, and not in every thread

    def score(self, pictures: Sequence[Picture]) -> list[list[dict[str, Any]]]:
        """Returns for each picture its rows, with the columns of `ScoreConfig.table_columns`."""
        predictor = self._predictor_of_thread()
        own = predictor.metadata["threshold"]
        threshold = own if self.config.threshold is None else self.config.threshold
        looked_at = [self._look(picture, predictor.image_size) for picture in pictures]
        crops = [crop for _, found in looked_at for crop in found]
        scores = iter(self._predict(predictor, crops))
        predicted = [
            [row | self._prediction(row["path"], next(scores), threshold) for row, _ in zip(rows, found, strict=True)]
            if found
            else rows
            for rows, found in looked_at
        ]
        if self._annotated_dir:
            for picture, rows in zip(pictures, predicted, strict=True):
                self._annotate(picture, rows)
        return predicted

    def _look(self, picture: Picture, size: int) -> tuple[list[dict[str, Any]], list[np.ndarray]]:
        """Returns the rows that a picture will have, and the crop for each of them; none for a row with an error."""
        row: dict[str, Any] = {"path": picture.name}
        try:
            if picture.error:
                raise ValueError(picture.error)
            encoded = self._read(picture.path)
            if "sha256" in self.config.columns:
                row["sha256"] = hashlib.sha256(encoded).hexdigest()
            if self.config.finds_faces:
                return self._look_for_faces(encoded, size, row)
            image = decode(encoded)
        except ValueError as error:
            return [row | ({"face": -1, "faces": 0} if self.config.finds_faces else {}) | {"error": str(error)}], []
        row |= self._sides(*image.shape[1::-1])
        return [row], [resize(image, size)]

    def _look_for_faces(
        self, encoded: bytes, size: int, row: dict[str, Any]
    ) -> tuple[list[dict[str, Any]], list[np.ndarray]]:
        photo = self._detector().look(encoded, size)
        row |= self._sides(photo.width, photo.height)
        if not photo.faces:
            raise ValueError("no face found")
        rows = []
        for number, face in enumerate(photo.faces):
            box = dict(zip(("x", "y", "width", "height"), np.rint(face.box).astype(int).tolist(), strict=True))
            own = {"face": number, "faces": len(photo.faces), "detection_score": round(face.score, 4)}
            rows.append(row | own | box)
        return rows, photo.crops

    def _sides(self, width: int, height: int) -> dict[str, int]:
        """Returns those of a picture's sides that are columns."""
        sides = {"width": width, "height": height}
        return {self.config.column(name): side for name, side in sides.items() if name in self.config.columns}

    def _annotate(self, picture: Picture, rows: list[dict[str, Any]]) -> None:
        if rows[0]["face"] >= 0:
            from export.annotate import save_annotated

            # decoded once more: the photos of a batch would not all fit into memory
            save_annotated(self._annotated_dir, picture.name, decode(self._read(picture.path)), rows)

    def _detector(self) -> "FaceDetector":
        from export.detector import MODEL, FaceDetector

        if not hasattr(self._own, "detector"):
            model = pathlib.Path(self.config.detector_model) if self.config.detector_model else MODEL
            self._own.detector = FaceDetector(model, self.config.detector_threshold)
        return self._own.detector

    def _predict(self, predictor: Predictor, crops: Sequence[np.ndarray]) -> list[float]:
        scores: list[float] = []
        for start in range(0, len(crops), _BATCH):
            images = np.stack(crops[start : start + _BATCH])
            p_female = predictor.predict(images)
            if self.config.tta:
                p_female = (p_female + predictor.predict(np.ascontiguousarray(images[:, :, ::-1]))) / 2
            scores += p_female.tolist()
        return scores

    def _prediction(self, path: str, p_female: float, threshold: float) -> dict[str, Any]:
        prediction = Prediction.from_probability(path, p_female, self.config.min_confidence, threshold)
        return {name: getattr(prediction, name) for name in ("gender", "confidence", "p_female")}
