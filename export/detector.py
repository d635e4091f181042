"""Find the faces in a photo and cut each out as UTKFace's chips are cut.

YuNet, run by OpenCV: Wu, Peng and Yu, "YuNet: A Tiny Millisecond-level Face Detector", Machine Intelligence Research,
2023.
"""

import pathlib
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from export.packaged import FOLDER
from gender_tfds.faces import CROP_TEMPLATE
from gender_tfds.images_cv import decode, jpeg_sides, largest_reduction, resize, shrink
from gender_tfds.user_error import UserError

MODEL = FOLDER / "face_detection_yunet_2023mar.onnx"
Template = Sequence[Sequence[float]]
_SIDE = 960  # longest side in pixels of what the network sees at once
_OVERLAP = 160  # of two tiles: a face smaller than this lies whole in one of them
_TILED = 6000  # longest side in pixels of what is looked at in tiles, some 50: a phone's picture has 8,000
_SMALL = 48  # pixels of a face at which there may be others, too small to be found
_SAME = 0.3  # overlap from which two boxes are one face
_CANDIDATES = 5000
_CHIP, _MARGIN = 200, 60  # pixels of a face, and around it, when its landmarks are measured again
_MEASURED = 2  # times

cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)  # it warns of an option that nobody set


class Face(NamedTuple):
    """A face in a photo.

    Attributes:
      box: left, top, width and height in pixels of the photo, float32 (4,).
      landmarks: x and y of right eye, left eye, nose, right and left corner of the mouth, float32 (5, 2).
      score: how sure the detector is, in [0, 1].
    """

    box: np.ndarray
    landmarks: np.ndarray
    score: float


class Photo(NamedTuple):
    """What was found in a photo.

    Attributes:
      width: of the photo in pixels.
      height: of it.
      faces: the largest first, in pixels of the photo.
      crops: a face each, uint8 RGB (size, size, 3).
    """

    width: int
    height: int
    faces: list[Face]
    crops: list[np.ndarray]


class FaceDetector:
    """Finds faces. Belongs to one thread.

    Args:
      model: YuNet's `.onnx` file.
      threshold: least score of a face.

    Raises:
      UserError: no such file, or no network that OpenCV can read.
    """

    def __init__(self, model: pathlib.Path = MODEL, threshold: float = 0.7) -> None:
        if not model.is_file():
            raise UserError(f"--detector_model={model} is not a file; give YuNet's .onnx file")
        try:
            self._network = cv2.FaceDetectorYN.create(str(model), "", (320, 320), threshold, _SAME, _CANDIDATES)
            self._network.detect(np.zeros((320, 320, 3), np.uint8))  # another network fails only here
        except cv2.error as error:
            raise UserError(f"--detector_model={model} is not YuNet's .onnx file, or damaged") from error

    def look(self, encoded: bytes, size: int, template: Template = CROP_TEMPLATE) -> Photo:
        """Returns the faces in an encoded photo, and each as a crop of `size` pixels.

        A large JPEG is decoded at a reduced scale first; in full only where faces are small, or none are found.

        Args:
          encoded: the bytes of a file.
          size: of the crops in pixels.
          template: see `crop`.

        Raises:
          ValueError: see `images_cv.decode`.
        """
        sides = jpeg_sides(encoded)
        reduction = largest_reduction(max(sides), _SIDE)
        image = decode(encoded, reduction)
        faces = self.detect(image)
        if reduction > 1 and (not faces or min(_side(face) for face in faces) < max(_SMALL, size)):
            image, reduction = decode(encoded), 1
            faces = self.detect(image)
        crops = [crop(image, face, size, template) for face in faces]
        height, width = image.shape[:2]
        if reduction > 1:
            height, width = (min(sides), max(sides)) if height < width else (max(sides), min(sides))
        faces = [_scaled(face, width / image.shape[1]) for face in faces]
        return Photo(width, height, faces, crops)

    def detect(self, image: np.ndarray) -> list[Face]:
        """Returns the faces in a picture, uint8 RGB (height, width, 3), the largest first.

        What is longer than 960 pixels is looked at in a reduced copy. If that shows small faces or none, it is looked
        at again in tiles at full scale, or at 6,000 pixels, so that the small faces of a group are found.
        """
        shrunk, scale = shrink(image, _SIDE)
        found = [_scaled(face, 1 / scale) for face in self._run(shrunk)]
        if scale < 1 and (not found or min(_side(face) for face in found) * scale < _SMALL):
            tiled, scale = shrink(image, _TILED)
            for top in _starts(tiled.shape[0]):
                for left in _starts(tiled.shape[1]):
                    tile = tiled[top : top + _SIDE, left : left + _SIDE]
                    found += [_scaled(_moved(face, left, top), 1 / scale) for face in self._run(tile)]
            found = _distinct(found)
        return sorted((self._measured(image, face) for face in found), key=_side, reverse=True)

    def _measured(self, image: np.ndarray, face: Face) -> Face:
        """Returns a face with its landmarks measured on a crop of a known size, turned upright as far as is known.

        Of a small or a tilted face the network tells landmarks that lie as those of an upright one.
        """
        canvas = _CHIP + 2 * _MARGIN
        for _ in range(_MEASURED):
            matrix = _matrix(face.landmarks, _CHIP)
            matrix[:, 2] += _MARGIN
            warped = cv2.warpAffine(image, matrix, (canvas, canvas), borderMode=cv2.BORDER_REPLICATE)
            found = self._run(warped)
            if not found:
                break
            middle = min(found, key=lambda one: np.abs(one.box[:2] + one.box[2:] / 2 - canvas / 2).max())
            back = cv2.invertAffineTransform(matrix)
            landmarks = middle.landmarks @ back[:, :2].T + back[:, 2]
            face = face._replace(landmarks=landmarks.astype(np.float32))
        return face

    def _run(self, image: np.ndarray) -> list[Face]:
        height, width = image.shape[:2]
        self._network.setInputSize((width, height))
        _, rows = self._network.detect(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        rows = [] if rows is None else rows
        return [Face(row[:4].copy(), row[4:14].reshape(5, 2).copy(), float(min(row[14], 1))) for row in rows]


def crop(image: np.ndarray, face: Face, size: int, template: Template = CROP_TEMPLATE) -> np.ndarray:
    """Returns a face, turned and scaled so that its landmarks lie as in UTKFace's chips.

    The similarity that brings the five landmarks nearest to the template, by least squares. What lies outside
    the picture repeats its border.

    Args:
      image: uint8 RGB (height, width, 3).
      face: in pixels of the image.
      size: of the result in pixels.
      template: where the landmarks lie in the result, as parts of its size, (5, 2).

    Returns:
      uint8 RGB (size, size, 3).
    """
    turn, _ = similarity(face.landmarks, size, template)
    # where a face shrinks by much, areas are averaged, as they are when a chip shrinks
    side = size * int(np.clip(np.round(1 / max(abs(turn), 1e-6)), 1, 8))
    matrix = _matrix(face.landmarks, side, template)
    warped = cv2.warpAffine(image, matrix, (side, side), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return resize(warped, size)


def similarity(landmarks: np.ndarray, size: int, template: Template = CROP_TEMPLATE) -> tuple[complex, complex]:
    """Returns a and b: with points as complex numbers, z of the picture lies at a·z + b in a crop of `size` pixels.

    Args:
      landmarks: pixels of the picture, float (n, 2).
      size: of the crop.
      template: where they lie in the crop, as parts of its size, (n, 2).
    """
    of_face, of_crop = landmarks @ [1, 1j], np.array(template) @ [1, 1j] * size
    centred = of_face - of_face.mean()
    turn = (centred.conj() @ (of_crop - of_crop.mean())) / max((centred.conj() @ centred).real, 1e-9)
    return turn, of_crop.mean() - turn * of_face.mean()


def _matrix(landmarks: np.ndarray, size: int, template: Template = CROP_TEMPLATE) -> np.ndarray:
    """Returns `similarity` as OpenCV takes it, float64 (2, 3)."""
    turn, shift = similarity(landmarks, size, template)
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])


def _starts(side: int) -> list[int]:
    """Returns where tiles begin that cover a side with overlaps, evenly."""
    number = max(1, -(-(side - _OVERLAP) // (_SIDE - _OVERLAP)))
    return [round(start) for start in np.linspace(0, max(side - _SIDE, 0), number)]


def _distinct(faces: list[Face]) -> list[Face]:
    """Returns each face once: of two that overlap, the surer one, else the larger one.

    Overlap counts by the smaller of both boxes, since at its border a tile shows a part of a face.
    """
    kept: list[Face] = []
    for face in sorted(faces, key=lambda face: (face.score, np.prod(face.box[2:])), reverse=True):
        if all(_overlap(face.box, other.box) < _SAME for other in kept):
            kept.append(face)
    return kept


def _overlap(one: np.ndarray, other: np.ndarray) -> float:
    """Returns the area that two boxes share, as a part of the smaller one's."""
    low = np.maximum(one[:2], other[:2])
    high = np.minimum(one[:2] + one[2:], other[:2] + other[2:])
    return float(np.prod(np.maximum(high - low, 0)) / min(np.prod(one[2:]), np.prod(other[2:])))


def _side(face: Face) -> float:
    return float(max(face.box[2:]))


def _scaled(face: Face, factor: float) -> Face:
    return Face(face.box * np.float32(factor), face.landmarks * np.float32(factor), face.score)


def _moved(face: Face, left: int, top: int) -> Face:
    shift = np.array([left, top], np.float32)
    return Face(face.box + np.append(shift, [0, 0]).astype(np.float32), face.landmarks + shift, face.score)
