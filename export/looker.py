"""From the bytes of a picture to the crops that a model sees: for the scorer and the server."""

import pathlib
import threading
from typing import TYPE_CHECKING, Any

import numpy as np

from export.score_config import ScoreConfig
from gender_tfds.images_cv import decode, reduction_for, resize

if TYPE_CHECKING:
    from export.detector import FaceDetector


class Looker:
    """Decodes pictures and, if its settings say so, finds their faces. May be called from several threads at once.

    Args:
      config: `detector`, and which of a picture's sides are `columns`.

    Raises:
      UserError: the detector's model can't be read.
    """

    def __init__(self, config: ScoreConfig) -> None:
        self._config = config
        # a reduced picture does not tell its sides
        self._reduces = config.scaled_decoding and not {"width", "height"} & set(config.columns)
        self._own = threading.local()
        if config.finds_faces:
            self._detector()  # fails here, with one sentence, and not in every thread

    def look(
        self, row: dict[str, Any], encoded: bytes, metadata: dict[str, Any]
    ) -> tuple[list[dict[str, Any]], list[np.ndarray]]:
        """Returns the rows that a picture will have, and the crop for each of them.

        Args:
          row: what all its rows say.
          encoded: the bytes of its file.
          metadata: of the model: its input size and crop templates.

        Returns:
          Rows, and for each a crop, uint8 RGB (size, size, 3); or one row with an error, and no crop.
        """
        try:
            if self._config.finds_faces:
                return self._look_for_faces(row, encoded, metadata)
            size = metadata["image_size"]
            image = decode(encoded, reduction_for(encoded, size) if self._reduces else 1)
        except ValueError as error:
            return self.failed(row, error), []
        return [row | self._sides(*image.shape[1::-1])], [resize(image, size)]

    def failed(self, row: dict[str, Any], error: Exception) -> list[dict[str, Any]]:
        """Returns the one row of a picture that has no prediction."""
        no_face = {"face": -1, "faces": 0} if self._config.finds_faces else {}
        return [row | no_face | {"error": str(error)}]

    def _look_for_faces(
        self, row: dict[str, Any], encoded: bytes, metadata: dict[str, Any]
    ) -> tuple[list[dict[str, Any]], list[np.ndarray]]:
        template = metadata["crop_templates"][self._config.detector]
        photo = self._detector().look(encoded, metadata["image_size"], template)
        row = row | self._sides(photo.width, photo.height)
        if not photo.faces:
            return self.failed(row, ValueError("no face found")), []
        rows = []
        for number, face in enumerate(photo.faces):
            box = dict(zip(("x", "y", "width", "height"), np.rint(face.box).astype(int).tolist(), strict=True))
            own = {"face": number, "faces": len(photo.faces), "detection_score": round(face.score, 4)}
            rows.append(row | own | box)
        return rows, photo.crops

    def _sides(self, width: int, height: int) -> dict[str, int]:
        """Returns those of a picture's sides that are columns."""
        sides = {"width": width, "height": height}
        return {self._config.column(name): side for name, side in sides.items() if name in self._config.columns}

    def _detector(self) -> "FaceDetector":
        from export.detector import MODEL, FaceDetector

        if not hasattr(self._own, "detector"):
            model = pathlib.Path(self._config.detector_model) if self._config.detector_model else MODEL
            self._own.detector = FaceDetector(model, self._config.detector_threshold)
        return self._own.detector
