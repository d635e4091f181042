"""Copies of photos with a box and a label at each face."""

import os
import pathlib
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from export.listing import Listing, Picture
from gender_tfds.atomic_files import atomic_path
from gender_tfds.images_cv import shrink
from gender_tfds.user_error import UserError

_MARK = b"copy annotated by gender-score"
_COMMENT = b"\xff\xfe" + (len(_MARK) + 2).to_bytes(2, "big") + _MARK  # a segment of a JPEG
_HEADER = 256  # bytes of a file, in which a copy has it
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


def check_copies(folder: pathlib.Path, listing: Listing) -> None:
    """Looks at where the copies of a listing's pictures will lie, before hours of work.

    Raises:
      UserError: in a directory that is scored, or where something lies that `save_annotated` would not replace.
    """
    directories = [one for one in listing.inputs if pathlib.Path(one).is_dir()]
    for one in directories:
        copies = (folder if len(listing.inputs) == 1 else _below(folder, one)).resolve()
        for other in directories:
            if copies.is_relative_to(pathlib.Path(other).resolve()):
                raise UserError(
                    f"--annotated_dir={folder}: the copies would lie in {other}, whose pictures are scored: so would be"
                    " the copies; give a folder elsewhere"
                )
    if listing.repeatable:
        for picture in listing:
            _copy_path(folder, picture)


def save_annotated(folder: pathlib.Path, picture: Picture, image: np.ndarray, rows: Sequence[dict[str, Any]]) -> None:
    """Writes `draw_faces` as a JPEG below a folder, under the picture's name; never outside the folder.

    Raises:
      UserError: something lies there that is no copy of an earlier run, or is the picture itself; it stays as it is.
    """
    _, encoded = cv2.imencode(".jpg", draw_faces(image, rows)[..., ::-1])
    content = encoded.tobytes()
    behind = 4 + int.from_bytes(content[4:6], "big")  # the first segment, of JFIF, which has to stay the first
    path = _copy_path(folder, picture)
    with atomic_path(path) as partial:
        partial.write_bytes(content[:behind] + _COMMENT + content[behind:])


def _copy_path(folder: pathlib.Path, picture: Picture) -> pathlib.Path:
    path = _below(folder, picture.name)
    if path.suffix.lower() not in (".jpg", ".jpeg"):
        longer = path.with_name(f"{path.name}.jpg")
        path = longer if len(os.fsencode(longer.name)) <= _LONGEST_NAME else path.with_suffix(".jpg")
    if (path.exists() or path.is_symlink()) and not _is_earlier_copy(path, picture):
        raise UserError(
            f"--annotated_dir={folder}: the copy of {picture.path} would replace {path}, which is that picture itself"
            " or no copy of an earlier run; give another folder"
        )
    return path


def _below(folder: pathlib.Path, name: str) -> pathlib.Path:
    return folder.joinpath(*(part for part in pathlib.PurePosixPath(name).parts if part not in ("/", "..")))


def _is_earlier_copy(path: pathlib.Path, picture: Picture) -> bool:
    # by its mark, not by the listing: a photo that is not scored must stay too, or that comes later on standard input
    if not path.is_file():
        return False
    with path.open("rb") as file:
        is_copy = _COMMENT in file.read(_HEADER)
    return is_copy and not (pathlib.Path(picture.path).exists() and path.samefile(picture.path))


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
