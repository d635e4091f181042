"""Decode and resize one picture with OpenCV: what scoring and serving feed to a model."""

import cv2
import numpy as np

# Threads over pictures beat threads within one small picture.
cv2.setNumThreads(1)

NUDGE = np.float32(5e-3)  # added to a level before it is rounded, here and in images_tf


def decode_and_resize(encoded: bytes, size: int) -> np.ndarray:
    """Returns the centred square of a picture as uint8 RGB of shape (size, size, 3).

    Shrinks by area averaging and enlarges bilinearly, exactly as `images_tf.decode_and_resize` does in a graph.

    Args:
      encoded: the bytes of a JPEG, PNG, WebP, BMP, TIFF, … file. The EXIF orientation is honoured.
      size: height and width of the result in pixels.

    Raises:
      ValueError: the bytes are empty, damaged, or of an unknown format.
    """
    if not encoded:
        raise ValueError("the file is empty")
    try:
        image = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR_RGB)
    except cv2.error as error:  # raised for a picture over OPENCV_IO_MAX_IMAGE_PIXELS
        raise ValueError(f"OpenCV refused the picture: {error.err}") from error
    if image is None:
        raise ValueError("not a picture that OpenCV can decode, or damaged")
    height, width = image.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = image[top : top + side, left : left + side]
    if side == size:
        return np.ascontiguousarray(square)
    method = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
    # In float32, which costs no more: on bytes OpenCV rounds by rules of its own and differs from TensorFlow by a level
    # in up to every eighth place, enough to move a probability by 0.005. The nudge lifts halves, which either library's
    # arithmetic leaves a hair above or below.
    return np.rint(cv2.resize(square.astype(np.float32), (size, size), interpolation=method) + NUDGE).astype(np.uint8)
