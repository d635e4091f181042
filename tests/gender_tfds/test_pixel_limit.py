"""The limit reaches OpenCV only if it is set before its first import: each case in a process of its own."""

import os
import subprocess
import sys

import pytest

LOOK = """
from gender_tfds import pixel_limit
{before}
from gender_tfds import images_cv
{after}
import cv2, numpy
picture = cv2.imencode("{kind}", numpy.zeros((40, 50, 3), numpy.uint8))[1].tobytes()
try:
    print(images_cv.decode(picture, {reduction}).shape)
except ValueError as error:
    print(error)
"""


@pytest.mark.parametrize(
    ("before", "after", "kind", "reduction", "told"),
    [
        ("", "", ".png", 1, "(40, 50, 3)"),
        ("pixel_limit.limit_pixels(2000)", "", ".png", 1, "(40, 50, 3)"),
        ("pixel_limit.limit_pixels(2000)", "", ".jpg", 2, "(20, 25, 3)"),
        ("pixel_limit.limit_pixels(1999)", "", ".png", 1, "more than 1,999 pixels"),
        ("pixel_limit.limit_pixels(1999)", "", ".jpg", 2, "more than 1,999 pixels"),
        ("", "pixel_limit.limit_pixels(1999)", ".png", 1, "(40, 50, 3)"),  # too late
    ],
)
def test_a_picture_over_the_limit_is_refused_if_it_was_set_in_time(before, after, kind, reduction, told):
    env = {name: value for name, value in os.environ.items() if name != "OPENCV_IO_MAX_IMAGE_PIXELS"}
    code = LOOK.format(before=before, after=after, kind=kind, reduction=reduction)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=True)
    assert done.stdout.strip() == told
