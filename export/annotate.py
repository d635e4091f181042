"""Copies of photos with a box and a label at each face."""

import os
import pathlib
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from gender_tfds.atomic_files import atomic_path
from gender_tfds.images_cv import shrink

_LONGEST_NAME = 255  # bytes, on most file systems
_LONGEST = 2048  # pixels of a copy's longest side
# by label, RGB; told apart by the colour-blind too
_COLOURS = {"male": (0, 114, 178), "female": (213, 94, 0)}
_OTHER = (90, 90, 90)


def draw_faces(image: np.ndarray, rows: Sequence[dict[str, Any]]) -> np.ndarray:
    """Returns a copy of a photo with boxes and labels, at most 2,048 pixels wide or high.

    Args:
      image: uint8 RGB (height, width, 3).
      rows: of its faces, with `x`, `y`, `width`, `height`, `gender` and `confidence`.
    """
    shrunk, scale = shrink(image, _LONGEST)
    copy = shrunk.copy()
    for row in sorted(rows, key=lambda row: row["width"]):  # the largest last, on top
        left, top, wide, high = (round(row[name] * scale) for name in ("x", "y", "width", "height"))
        colour = _COLOURS.get(row["gender"], _OTHER)
        line = max(1, wide // 50)
        cv2.rectangle(copy, (left, top), (left + wide, top + high), colour, line, cv2.LINE_AA)
        _write(copy, f"{row['gender']} {row['confidence']:.0%}", (left, top), wide, colour)
    return copy


def save_annotated(folder: pathlib.Path, name: str, image: np.ndarray, rows: Sequence[dict[str, Any]]) -> None:
    """Writes `draw_faces` as a JPEG below a folder, under the picture's name; never outside the folder."""
    parts = [part for part in pathlib.PurePosixPath(name).parts if part not in ("/", "..")]
    path = folder.joinpath(*parts)
    if path.suffix.lower() not in (".jpg", ".jpeg"):
        longer = path.with_name(f"{path.name}.jpg")
        path = longer if len(os.fsencode(longer.name)) <= _LONGEST_NAME else path.with_suffix(".jpg")
    _, encoded = cv2.imencode(".jpg", draw_faces(image, rows)[..., ::-1])
    with atomic_path(path) as partial:
        partial.write_bytes(encoded.tobytes())


def _write(image: np.ndarray, text: str, corner: tuple[int, int], wide: int, colour: tuple[int, int, int]) -> None:
    """Writes white text on a coloured ground above a corner, or below where there is no room."""
    size = float(np.clip(wide / 160, 0.35, 2.0))
    thickness = max(1, round(size * 1.6))
    (width, height), below = cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, size, thickness)
    left = max(0, min(corner[0], image.shape[1] - width))
    bottom = corner[1] if corner[1] >= height + below else corner[1] + height + below
    cv2.rectangle(image, (left, bottom - height - below), (left + width, bottom), colour, cv2.FILLED)
    white = (255, 255, 255)
    cv2.putText(image, text, (left, bottom - below // 2), cv2.FONT_HERSHEY_SIMPLEX, size, white, thickness, cv2.LINE_AA)
