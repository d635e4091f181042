"""orientation: each of the eight is turned as Pillow turns it."""

import numpy as np
import PIL.Image
import PIL.ImageOps
import pytest

from gender_tfds.drawn_faces.picture import draw_face
from gender_tfds.orientation import TAG, upright


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_picture_is_turned_as_it_is_to_be_seen(orientation):
    stored = draw_face(0)[:100]
    image = PIL.Image.fromarray(stored)
    image.getexif()[TAG] = orientation
    seen = np.asarray(PIL.ImageOps.exif_transpose(image))
    assert np.array_equal(upright(stored, orientation), seen)
    assert np.array_equal(upright(stored[..., 0], orientation), seen[..., 0])
    assert np.array_equal(seen, stored) == (orientation == 1)


def test_an_unknown_orientation_is_none():
    assert all(np.array_equal(upright(draw_face(0), unknown), draw_face(0)) for unknown in (0, 9, -1))
