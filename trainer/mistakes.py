"""Which faces are worth looking at, and their pictures."""

from collections.abc import Collection, Sequence

import numpy as np
import pandas as pd
import tensorflow_datasets as tfds

from gender_tfds import images_cv, reading
from trainer.metrics import predicted_labels


def most_confident_errors(table: pd.DataFrame, number: int) -> pd.DataFrame:
    """Returns the wrongly predicted faces, the most confident first: mistakes of the model, or of the label.

    Args:
      table: columns `path`, `label`, `p_female` and `confidence`.
      number: at most so many.
    """
    wrong = table[predicted_labels(table) != table["label"]]
    return wrong.sort_values(["confidence", "path"], ascending=[False, True], ignore_index=True).head(number)


def most_uncertain(table: pd.DataFrame, number: int) -> pd.DataFrame:
    """Returns the faces whose score is nearest to the middle, the nearest first. Arguments as above."""
    return table.sort_values(["confidence", "path"], ignore_index=True).head(number)


def read_pictures(
    builder: tfds.core.DatasetBuilder, split: str, folds: Sequence[int] | None, paths: Collection[str], size: int
) -> dict[str, np.ndarray]:
    """Returns some pictures of a split by name: uint8 RGB (size, size, 3).

    Args:
      builder: of the data set.
      split: of it.
      folds: to look in instead of the split's own.
      paths: names of the pictures, as in `filename`.
      size: height and width in pixels.
    """
    encoded = reading.read_split_or_folds(builder, split, folds)
    wanted = {path.encode() for path in paths}
    return {
        example["filename"].decode(): images_cv.decode_and_resize(example["image"], size)
        for example in encoded.as_numpy_iterator()
        if example["filename"] in wanted
    }
