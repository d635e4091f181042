"""Compare an artefact with the Keras model it came from, on real pictures and from the encoded file on."""

import dataclasses
from collections.abc import Sequence

import keras
import numpy as np
import tensorflow as tf

from export.predictor import Predictor, SavedModelPredictor, decode_all
from gender_tfds.images_tf import decode_and_resize
from gender_tfds.run_folder import THRESHOLD

BATCH_SIZES = (1, 32)


@dataclasses.dataclass(frozen=True)
class Parity:
    """What a comparison found.

    Attributes:
      n: pictures compared.
      mean_difference: mean absolute difference of p(female), over all batch sizes and ways to decode.
      worst_difference: the largest one.
      labels_changed: pictures that get another label than Keras gives, at any batch size.
    """

    n: int
    mean_difference: float
    worst_difference: float
    labels_changed: int

    def failure(self, tolerance: float, max_changed: float) -> str | None:
        """Returns why the artefact must be refused, or None.

        Args:
          tolerance: largest difference of p(female) that is allowed.
          max_changed: largest share of pictures whose label may change.
        """
        if not self.worst_difference <= tolerance:  # also true for NaN
            return f"p_female differs by {self.worst_difference:.2g} from Keras', more than {tolerance:g}"
        if self.labels_changed > max_changed * self.n:
            return f"{self.labels_changed} of {self.n} labels changed, more than {max_changed:.1%}"
        return None


def reference_probabilities(model: keras.Model, encoded: Sequence[bytes]) -> np.ndarray:
    """Returns the Keras model's p(female), float32 (n,), on pictures decoded as training decodes them."""
    size = model.input_shape[1]
    pictures = tf.data.Dataset.from_tensor_slices(list(encoded)).map(lambda data: decode_and_resize(data, size))
    batches = [model.predict_on_batch(batch) for batch in pictures.batch(256).as_numpy_iterator()]
    return np.concatenate(batches)[:, 0]


def compare(predictor: Predictor, reference: np.ndarray, encoded: Sequence[bytes]) -> Parity:
    """Compares an artefact, its own decoding included, with the reference.

    Args:
      predictor: the artefact.
      reference: of `reference_probabilities`, for the same pictures.
      encoded: the files.
    """
    images, errors = decode_all(encoded, predictor.image_size)
    if any(errors):
        raise ValueError(f"a picture of the data set can't be decoded: {next(filter(None, errors))}")
    answers = []
    for size in BATCH_SIZES:
        starts = range(0, len(encoded), size)
        answers.append(np.concatenate([predictor.predict(images[start : start + size]) for start in starts]))
        if isinstance(predictor, SavedModelPredictor):
            parts = [predictor.predict_encoded(encoded[start : start + size]) for start in starts]
            answers.append(np.concatenate(parts))
    differences = np.abs(np.stack(answers) - reference)
    changed = (np.stack(answers) > THRESHOLD) != (reference > THRESHOLD)
    return Parity(len(encoded), float(differences.mean()), float(differences.max()), int(changed.any(axis=0).sum()))
