"""Decode and resize one picture with OpenCV: what scoring and serving feed to a model."""

import io
import math

from gender_tfds.orientation import TAG, upright
from gender_tfds.pixel_limit import pixel_limit

_MAX_PIXELS = pixel_limit()  # before OpenCV is imported, which reads it once

import cv2  # noqa: E402
import numpy as np  # noqa: E402

# Threads over pictures beat threads within one small picture.
cv2.setNumThreads(1)

NUDGE = np.float32(5e-3)  # added to a level before it is rounded, here and in images_tf

_LARGE = 4096  # pixels of a side
_BAND = 256  # rows
# OpenCV's names for reduced colours mean BGR, and its RGB excludes them; of these the size counts, and RGB for the rest
_REDUCED = {8: cv2.IMREAD_REDUCED_GRAYSCALE_8, 4: cv2.IMREAD_REDUCED_GRAYSCALE_4, 2: cv2.IMREAD_REDUCED_GRAYSCALE_2}
_TOO_MANY = f"more than {_MAX_PIXELS:,} pixels"
_SPARE = 1.5  # times a size that a reduced picture's sides have at least, so that averages of areas are left to take


def decode(encoded: bytes, reduction: int = 1) -> np.ndarray:
    """Returns a picture as uint8 RGB of shape (height, width, 3); the first one of an animation.

    Args:
      encoded: the bytes of a JPEG, PNG, WebP, BMP, TIFF, GIF, AVIF, … file. The orientation that it tells is honoured.
      reduction: 2, 4 or 8 for a JPEG's picture of so much smaller sides, decoded in less time and memory.

    Raises:
      ValueError: the bytes are empty, damaged, of an unknown format, or hold more pixels than `pixel_limit` allows.
    """
    if not encoded:
        raise ValueError("the file is empty")
    # OpenCV would ask for the reduced sides, and a progressive JPEG takes the memory of the whole ones
    if reduction > 1 and math.prod(jpeg_sides(encoded)) > _MAX_PIXELS:
        raise ValueError(_TOO_MANY)
    may_be_avif = encoded[4:8] == b"ftyp"
    flags = cv2.IMREAD_COLOR_RGB | _REDUCED.get(reduction, 0)
    if may_be_avif:
        flags |= cv2.IMREAD_IGNORE_ORIENTATION  # that of EXIF, which in an AVIF counts for nothing
    try:
        image = cv2.imdecode(np.frombuffer(encoded, np.uint8), flags)
    except cv2.error as error:
        if "MAX_IMAGE" in error.err:
            raise ValueError(_TOO_MANY) from error
        raise ValueError(f"OpenCV refused the picture: {error.err}") from error
    if image is None:
        if may_be_avif and encoded[8:11] in (b"hei", b"hev", b"mif"):
            raise ValueError("HEIC, which OpenCV can't decode; convert it to JPEG")
        raise ValueError("not a picture that OpenCV can decode, or damaged")
    return _upright_avif(image, encoded) if may_be_avif else image


def _upright_avif(image: np.ndarray, encoded: bytes) -> np.ndarray:
    """Returns an AVIF's picture as its boxes `irot` and `imir` turn it, which OpenCV ignores."""
    from PIL.AvifImagePlugin import AvifImageFile  # here, since other pictures do without it

    try:
        # not by PIL.Image.open, whose limit of pixels is another
        orientation = AvifImageFile(io.BytesIO(encoded)).getexif().get(TAG, 1)
    except Exception as error:  # Pillow raises whatever a damaged header leads to
        raise ValueError("an AVIF whose orientation Pillow can't read, or damaged") from error
    return upright(image, orientation)


def reduction_for(encoded: bytes, size: int) -> int:
    """Returns by how much a JPEG's sides may be reduced in decoding, 1, 2, 4 or 8, for a crop of `size` pixels.

    libjpeg then leaves out the frequencies that the smaller picture can't show, and the work for them. The crop differs
    a little from that of the whole picture. 1 for what is no JPEG.
    """
    return largest_reduction(min(jpeg_sides(encoded)), _SPARE * size)


def largest_reduction(side: int, least: float) -> int:
    """Returns the largest reduction that `decode` offers and that leaves at least `least` pixels of a side; else 1."""
    return next((reduction for reduction in _REDUCED if side >= least * reduction), 1)


def jpeg_sides(encoded: bytes) -> tuple[int, int]:
    """Returns the height and width that a JPEG's frame header tells, not yet turned. After ITU-T T.81, annex B.

    Zeros for other bytes, and for a header with anything in it that libjpeg skips by other rules than a segment's
    length: it could be made to tell us other sides than it tells libjpeg.

    Pillow would tell them in 34 µs instead of 1.4, a twentieth of what a picture takes.
    """
    at = 2 if encoded.startswith(b"\xff\xd8") else len(encoded)
    while encoded[at : at + 1] == b"\xff":
        marker, length = encoded[at + 1 : at + 2], int.from_bytes(encoded[at + 2 : at + 4])
        if not b"\xc0" <= marker < b"\xff" or b"\xd0" <= marker <= b"\xda" or length < 2:
            break
        if marker <= b"\xcf" and marker not in (b"\xc4", b"\xc8", b"\xcc"):
            return int.from_bytes(encoded[at + 5 : at + 7]), int.from_bytes(encoded[at + 7 : at + 9])
        at += 2 + length
    return 0, 0


def resize(image: np.ndarray, size: int) -> np.ndarray:
    """Returns the centred square of a picture, uint8 (height, width, 3), as uint8 (size, size, 3).

    Shrinks by area averaging and enlarges bilinearly, as `images_tf.decode_and_resize` does in a graph.
    """
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = image[top : top + side, left : left + side]
    if side == size:
        return np.ascontiguousarray(square)
    # In float32, which costs no more: on bytes OpenCV rounds by rules of its own and differs from TensorFlow by a level
    # in up to every eighth place, enough to move a probability by 0.005. The nudge lifts halves, which either library's
    # arithmetic leaves a hair above or below.
    if side > _LARGE:
        resized = _average_in_bands(square, size)
    else:
        method = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
        resized = cv2.resize(square.astype(np.float32), (size, size), interpolation=method)
    return cv2.convertScaleAbs(resized, alpha=1, beta=float(NUDGE))  # rounds to the nearest, halves to even


def _average_in_bands(square: np.ndarray, size: int) -> np.ndarray:
    """Returns a large square as float32 (size, size, 3), its areas averaged along one axis after the other.

    All of it in float32 would take four times as much memory as it does, 1.1 GB within the limit of `pixel_limit`.
    """
    bands = (square[top : top + _BAND].astype(np.float32) for top in range(0, len(square), _BAND))
    narrow = [cv2.resize(band, (size, len(band)), interpolation=cv2.INTER_AREA) for band in bands]
    return cv2.resize(np.concatenate(narrow), (size, size), interpolation=cv2.INTER_AREA)


def shrink(image: np.ndarray, longest: int) -> tuple[np.ndarray, float]:
    """Returns a picture whose longest side is at most `longest` pixels, by area averaging, and its scale, at most 1."""
    height, width = image.shape[:2]
    scale = min(1.0, longest / max(height, width))
    if scale < 1:
        size = max(1, round(width * scale)), max(1, round(height * scale))
        image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return image, scale


def decode_and_resize(encoded: bytes, size: int) -> np.ndarray:
    """Returns the centred square of a picture as uint8 RGB of shape (size, size, 3); see `decode` and `resize`."""
    return resize(decode(encoded), size)
