"""How large a picture may be before OpenCV refuses it. Imports nothing heavy: `--help` reads it."""

import os

MAX_PIXELS = 89_000_000  # a picture of a phone has 48 million; decoded, so many take 267 MB
MOST_PIXELS = 2**30  # to which it may be raised: OpenCV's own limit; decoded, so many take 3.2 GB
_VARIABLE = "OPENCV_IO_MAX_IMAGE_PIXELS"


def limit_pixels(most: int) -> None:
    """Makes OpenCV refuse larger pictures from their header; has an effect only before `cv2` is imported first.

    OpenCV's own limit lets a JPEG of one megabyte take 1.6 GB.
    """
    os.environ[_VARIABLE] = str(most)


def pixel_limit() -> int:
    """Returns what OpenCV was told, by `limit_pixels` or by the environment; tells it `MAX_PIXELS` if it was not."""
    return int(os.environ.setdefault(_VARIABLE, str(MAX_PIXELS)))
