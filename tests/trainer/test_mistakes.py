"""Faces worth looking at: the right ones, in the right order, with their own pictures."""

import numpy as np
import pandas as pd

from gender_tfds import images_cv, reading
from trainer import mistakes

TABLE = pd.DataFrame(
    {
        "path": ["a", "b", "c", "d", "e"],
        "label": [0, 1, 0, 1, 1],
        "p_female": [0.6, 0.05, 0.1, 0.52, 0.3],
        "confidence": [0.6, 0.95, 0.9, 0.52, 0.7],
    }
)


def test_errors_come_by_confidence_and_right_ones_not_at_all():
    assert list(mistakes.most_confident_errors(TABLE, 25)["path"]) == ["b", "e", "a"]
    assert list(mistakes.most_confident_errors(TABLE, 1)["path"]) == ["b"]
    assert mistakes.most_confident_errors(TABLE[2:4], 25).empty


def test_the_most_uncertain_are_nearest_to_the_middle_right_or_wrong():
    assert list(mistakes.most_uncertain(TABLE, 3)["path"]) == ["d", "a", "e"]


def test_a_picture_is_that_of_its_name(data_dir):
    builder = reading.open_built("drawn_faces", str(data_dir))
    encoded = {e["filename"].decode(): e["image"] for e in reading.read_encoded(builder, "test").as_numpy_iterator()}
    chosen = list(encoded)[3:5]
    for folds in (None, (0, 1)):
        pictures = mistakes.read_pictures(builder, "test", folds, chosen, 40)
        assert set(pictures) == set(chosen)
        for name in chosen:
            np.testing.assert_array_equal(pictures[name], images_cv.decode_and_resize(encoded[name], 40))
