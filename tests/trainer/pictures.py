"""Reading a picture that was drawn."""

import pathlib

import cv2
import numpy as np


def read_picture(path: pathlib.Path) -> np.ndarray:
    """Returns a picture, BGR; one that is missing or of one colour is a failure."""
    image = cv2.imread(str(path))
    assert image is not None, path
    assert image.std() > 5, f"{path} is blank"
    return image


def count_orange(path: pathlib.Path) -> int:
    """Returns the number of pixels in the colour of what is wrong or proposed."""
    blue, green, red = (read_picture(path)[..., channel].astype(int) for channel in range(3))
    return int(((abs(red - 0xD5) < 8) & (abs(green - 0x5E) < 8) & (blue < 8)).sum())
