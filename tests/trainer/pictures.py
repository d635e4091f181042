"""Reading a picture that was drawn, and drawing none where nobody looks at them."""

import contextlib
import pathlib
from collections.abc import Iterator
from unittest import mock

import cv2
import numpy as np
from matplotlib.figure import Figure

from trainer import plots

_SAVE = Figure.savefig


def _save_blank(figure: Figure, path: pathlib.Path, **options: object) -> None:
    cv2.imwrite(str(path), np.full((1, 1, 3), 255, np.uint8))


def blank() -> contextlib.AbstractContextManager:
    """Leaves every picture white: to draw a run's dozen of them takes a third of a short run's time."""
    return mock.patch.object(Figure, "savefig", _save_blank)


@contextlib.contextmanager
def drawn() -> Iterator[None]:
    """Draws pictures, inside `blank` too, in few pixels."""
    with mock.patch.object(Figure, "savefig", _SAVE), mock.patch.object(plots, "DPI", 40):
        yield


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
