"""Compare an artefact with the Keras model it came from, on real pictures and from the encoded file on."""

import dataclasses
import time
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import pandas as pd
import tensorflow as tf

from export.predictor import Predictor, SavedModelPredictor, decode_all
from gender_tfds.face_slices import BOTH, MIN_SLICE, rate_interval, slice_members
from gender_tfds.images_tf import decode_and_resize
from gender_tfds.run_folder import THRESHOLD

BATCH_SIZES = (1, 32)
_TIMED = 50  # calls


@dataclasses.dataclass(frozen=True, kw_only=True)
class Tolerance:
    """How far an artefact may be from its model.

    Attributes:
      difference: of p(female), on any picture.
      labels_changed: share of the pictures that get another label; a single one may always.
      accuracy_drop: in accuracy; that of a single picture may always be.
    """

    difference: float
    labels_changed: float
    accuracy_drop: float = 1.0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Parity:
    """What a comparison found.

    Attributes:
      n: pictures compared.
      mean_difference: mean absolute difference of p(female), over all batch sizes and ways to decode.
      worst_difference: the largest one.
      labels_changed: pictures that get another label than Keras gives, at any batch size.
      latency_ms: median time of a call with one picture, decoded already.
      accuracy: of the artefact and of Keras, each with its 95 % interval, and in each slice of enough faces; None
        where no labels were given.
    """

    n: int
    mean_difference: float
    worst_difference: float
    labels_changed: int
    latency_ms: float
    accuracy: dict[str, Any] | None = None

    def failure(self, tolerance: Tolerance) -> str | None:
        """Returns why the artefact must be refused, or None."""
        if not self.worst_difference <= tolerance.difference:  # also true for NaN
            return f"p_female differs by {self.worst_difference:.2g} from Keras', more than {tolerance.difference:g}"
        if self.labels_changed > self._allowed(tolerance.labels_changed):
            return f"{self.labels_changed} of {self.n} labels changed, more than {tolerance.labels_changed:.1%}"
        if self.accuracy is None:
            return None
        lost = round(self.n * (self.accuracy["keras"] - self.accuracy["artefact"]))
        if lost > self._allowed(tolerance.accuracy_drop):
            return (
                f"its accuracy is {self.accuracy['artefact']:.4f} where Keras has {self.accuracy['keras']:.4f}, a drop"
                f" of more than {tolerance.accuracy_drop:.1%}"
            )
        return None

    def _allowed(self, share: float) -> float:
        """Returns how many pictures `share` lets differ; one at least, which of few is much and says nothing."""
        return max(1.0, share * self.n)


def reference_probabilities(model: keras.Model, encoded: Sequence[bytes]) -> np.ndarray:
    """Returns the Keras model's p(female), float32 (n,), on pictures decoded as training decodes them."""
    size = model.input_shape[1]
    pictures = tf.data.Dataset.from_tensor_slices(list(encoded)).map(lambda data: decode_and_resize(data, size))
    batches = [model.predict_on_batch(batch) for batch in pictures.batch(256).as_numpy_iterator()]
    return np.concatenate(batches)[:, 0]


def compare(
    predictor: Predictor, reference: np.ndarray, encoded: Sequence[bytes], truth: pd.DataFrame | None = None
) -> Parity:
    """Compares an artefact, its own decoding included, with the reference.

    Args:
      predictor: the artefact.
      reference: of `reference_probabilities`, for the same pictures.
      encoded: the files.
      truth: columns `label`, `age` and `ethnicity` of the same pictures; without it accuracy is not compared.
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
    return Parity(
        n=len(encoded),
        mean_difference=float(differences.mean()),
        worst_difference=float(differences.max()),
        labels_changed=int(changed.any(axis=0).sum()),
        latency_ms=_latency(predictor, images[:1]),
        accuracy=None if truth is None else compare_accuracy(answers[0], reference, truth),
    )


def compare_accuracy(answers: np.ndarray, reference: np.ndarray, truth: pd.DataFrame) -> dict[str, Any]:
    """Returns the accuracies of an artefact and of Keras.

    Args:
      answers: the artefact's p(female), (n,).
      reference: Keras'.
      truth: columns `label`, `age` and `ethnicity`.

    Returns:
      `artefact` and `keras`, `artefact_interval` and `keras_interval` (95 %), and `slices`: by age band and by
      ethnicity, of 30 faces or more, those first in which the artefact loses most.
    """
    label = truth["label"].to_numpy()
    right = {"artefact": (answers > THRESHOLD) == label, "keras": (reference > THRESHOLD) == label}
    found: dict[str, Any] = {name: float(of.mean()) for name, of in right.items()}
    found |= {f"{name}_interval": rate_interval(int(of.sum()), len(label)) for name, of in right.items()}
    slices: list[dict[str, Any]] = [
        {"by": by, "slice": name, "n": int(chosen.sum())}
        | {which: float(of[chosen].mean()) for which, of in right.items()}
        for (by, name), chosen in slice_members(truth).items()
        if by != BOTH and chosen.sum() >= MIN_SLICE
    ]
    return found | {"slices": sorted(slices, key=lambda one: one["artefact"] - one["keras"])}


def _latency(predictor: Predictor, image: np.ndarray) -> float:
    seconds = []
    for _ in range(_TIMED):
        began = time.perf_counter()
        predictor.predict(image)
        seconds.append(time.perf_counter() - began)
    return float(1000 * np.median(seconds))
