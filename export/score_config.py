"""What decides the rows of a table of predictions. Imports nothing heavy: `--help` reads it."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from gender_tfds.field_flags import setting
from gender_tfds.pixel_limit import MAX_PIXELS, MOST_PIXELS
from gender_tfds.run_folder import COLUMNS
from gender_tfds.user_error import UserError

DETECTORS = ("none", "yunet")
# of each face, with a detector: its number, the largest first, or -1 where there is none; how many the picture has; the
# box in pixels of the picture; the detector's score
FACE_COLUMNS = {
    "face": int,
    "faces": int,
    "x": int,
    "y": int,
    "width": int,
    "height": int,
    "detection_score": float,
}
EXTRA_COLUMNS = {"width": int, "height": int, "sha256": str}  # of the picture; --columns chooses from them


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScoreConfig:
    """How pictures are scored."""

    threshold: float | None = setting(
        None, "probability over which female is predicted; the model's own if left out", lower=0, upper=1
    )
    min_confidence: float = setting(
        0.0, "below this confidence a face is undecided; a run's report proposes values", lower=0, upper=1
    )
    scaled_decoding: bool = setting(
        False,
        "decode JPEGs at 1/2, 1/4 or 1/8 of their size where that is enough for the model: faster; probabilities differ"
        " a little from those of the server, the page and a phone, which decode them whole",
    )
    tta: bool = setting(False, "average the probabilities of a face and its mirror image; takes twice the time")
    detector: str = setting(
        "none",
        "none: each picture is a cropped face; yunet: finds the faces in each photo, a row each",
        choices=DETECTORS,
    )
    detector_model: str | None = setting(None, "YuNet's .onnx file; the packaged one if left out")
    detector_threshold: float = setting(0.7, "least score of what counts as a face", lower=0.01, upper=1)
    columns: tuple[str, ...] = setting((), f"columns to add, about the picture: some of {','.join(EXTRA_COLUMNS)}")
    max_pixels: int = setting(
        MAX_PIXELS, "a picture of more is refused before it is decoded", lower=1, upper=MOST_PIXELS
    )

    def checked(self) -> "ScoreConfig":
        """Returns itself.

        Raises:
          UserError: there is no such column, or settings that exclude each other.
        """
        if self.scaled_decoding and self.finds_faces:
            raise UserError(
                f"--scaled_decoding is for pictures that are cropped faces; --detector={self.detector} chooses by"
                " itself how large it decodes a photo"
            )
        if self.scaled_decoding and (sides := {"width", "height"} & set(self.columns)):
            raise UserError(
                f"--scaled_decoding and --columns={','.join(sorted(sides))} exclude each other: a picture's size is"
                " told of the whole picture; leave out one of them"
            )
        for name in ("detector_model", "detector_threshold"):
            if not self.finds_faces and getattr(self, name) != getattr(type(self), name):
                raise UserError(f"--{name}={getattr(self, name)} needs --detector=yunet")
        for column in self.columns:
            if column not in EXTRA_COLUMNS or self.columns.count(column) > 1:
                raise UserError(
                    f"--columns={','.join(self.columns)}: give some of {', '.join(EXTRA_COLUMNS)}, each once"
                )
        return self

    def flags(self) -> list[str]:
        """Returns the settings that are not the defaults, as typed."""
        own = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        texts = {name: ",".join(value) if isinstance(value, tuple) else value for name, value in own.items()}
        return [f"--{name}={texts[name]}" for name in own if own[name] != getattr(type(self), name)]

    def table_columns(self) -> dict[str, type]:
        """Returns the columns of the table in order, and what they hold."""
        return (
            COLUMNS
            | (FACE_COLUMNS if self.finds_faces else {})
            | {self.column(name): EXTRA_COLUMNS[name] for name in self.columns}
        )

    @property
    def finds_faces(self) -> bool:
        """Whether a picture has a row for each of its faces."""
        return self.detector != "none"

    def column(self, name: str) -> str:
        """Returns what a column of `--columns` is called; a face's own width and height come first to the names."""
        return f"image_{name}" if self.finds_faces and name in FACE_COLUMNS else name

    def begins_picture(self, row: dict[str, Any]) -> bool:
        """Whether a row, also of text, is the first one of its picture."""
        return not self.finds_faces or int(row["face"]) <= 0

    def is_whole_picture(self, rows: Sequence[dict[str, Any]]) -> bool:
        """Whether rows, also of text, are all of their picture's."""
        return not self.finds_faces or len(rows) == max(int(rows[0]["faces"]), 1)
