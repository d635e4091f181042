"""What of a picture goes into its record: bytes that training decodes to what scoring would see."""

import io

import cv2
import PIL.Image
import tensorflow as tf

from gender_tfds.face_files import read_file
from gender_tfds.face_listing import Face
from gender_tfds.faces import RejectedError
from gender_tfds.images_cv import decode
from gender_tfds.images_tf import decode_and_resize
from gender_tfds.orientation import TAG

MAX_PIXELS = 64_000_000  # decoded, such a picture takes 192 MB, and training decodes several at once


def for_record(encoded: bytes) -> bytes:
    """Returns an upright JPEG's own bytes, and any other picture as scoring sees it, upright and in RGB, encoded anew.

    TensorFlow ignores the EXIF orientation, and refuses some WebP, BMP, GIF and all TIFF files. A JPEG that must be
    turned, or is in CMYK, stays a JPEG, of quality 95: as a PNG, a phone's photograph would be many times larger.
    Everything else becomes a PNG, without loss.

    Raises:
      RejectedError: `empty`, `not_a_picture`, `too_large`, `damaged`.
    """
    if not encoded:
        raise RejectedError("empty")
    is_jpeg, can_stay = _look_at(encoded)
    if can_stay:
        return encoded
    try:
        image = decode(encoded)
    except ValueError as error:
        raise RejectedError("damaged") from error
    image = cv2.cvtColor(image, cv2.COLOR_RGB2BGR, dst=image)  # in its own memory
    if is_jpeg:
        whole_colour = [cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
        return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 95, *whole_colour])[1].tobytes()
    return cv2.imencode(".png", image)[1].tobytes()


def check(face: Face) -> Face:
    """Returns the face if the trainer can decode its record: one that it can't would stop every training on it.

    Raises:
      RejectedError: as `for_record` and `face_files.read_file` do.
    """
    try:
        # what OpenCV can decode is not enough: of damaged JPEG files, TensorFlow refuses more
        decode_and_resize(tf.constant(for_record(read_file(face.path))), 64)
    except tf.errors.OpError as error:
        raise RejectedError("damaged") from error
    return face


def _look_at(encoded: bytes) -> tuple[bool, bool]:
    """Returns whether a picture is a JPEG, and whether both decoders see it alike as it is, by its header alone."""
    try:
        with PIL.Image.open(io.BytesIO(encoded)) as image:
            if image.width * image.height > MAX_PIXELS:
                raise RejectedError("too_large")
            is_jpeg = image.format in ("JPEG", "MPO")
            upright = is_jpeg and image.getexif().get(TAG, 1) == 1
            return is_jpeg, upright and image.mode in ("L", "RGB")
    except PIL.Image.DecompressionBombError as error:
        raise RejectedError("too_large") from error
    except RejectedError:
        raise
    except Exception as error:  # Pillow raises whatever a damaged header leads to
        raise RejectedError("not_a_picture") from error
