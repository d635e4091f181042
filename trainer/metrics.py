"""Numbers with 95 % intervals from a table of predictions, and from nothing else."""

import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd
import scipy.stats
import sklearn.metrics

from gender_tfds import faces
from gender_tfds.face_slices import rate_interval
from gender_tfds.run_folder import THRESHOLD, UNDECIDED

INFANT_AGE = 3  # faces up to this age are the hardest to tell, for annotators too
CALIBRATION_BINS = 15
_RESAMPLES = 1000


def predicted_labels(table: pd.DataFrame) -> np.ndarray:
    """Returns the predicted class numbers, (n,), undecided faces included."""
    return (table["p_female"].to_numpy() > THRESHOLD).astype(int)


def compute_metrics(table: pd.DataFrame) -> dict:
    """Returns the numbers of `metrics.json`.

    Args:
      table: columns `label` (0 male, 1 female), `p_female` in [0, 1], `gender` as in `Prediction`, `age` in years (-1
        unknown); a row a face, one at least.

    Returns:
      Each of `METRICS` that the table has, `accuracy`, and `accuracy_over_3_years`; under `intervals` the 95 % interval
      of each, [low, high]: Wilson's for accuracies, else the percentiles of 1,000 bootstrap samples of faces; the
      confusion matrix, rows by label, in faces and in shares of the label; `decided`, see `decided_part`.
    """
    label, score = table["label"].to_numpy(), table["p_female"].to_numpy(float)
    right = predicted_labels(table) == label
    known = {"accuracy": right, "accuracy_over_3_years": right[table["age"].to_numpy() > INFANT_AGE]}
    numbers = {name: float(of_faces.mean()) for name, of_faces in known.items() if len(of_faces)}
    intervals = {name: rate_interval(int(known[name].sum()), len(known[name])) for name in numbers}
    values = _values(label, score)
    sampled = _bootstrap(label, score) if len(table) > 1 else values[:, np.newaxis]
    for name, value, of_samples in zip(METRICS, values, sampled, strict=True):
        if np.isfinite(value):  # a table of one class has no ranking, and no precision of the other
            numbers[name] = float(value)
            intervals[name] = [float(end) for end in np.nanpercentile(of_samples, [2.5, 97.5])]
    matrix = sklearn.metrics.confusion_matrix(label, predicted_labels(table), labels=range(len(faces.GENDERS)))
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    return {
        "n": len(table),
        **numbers,
        "intervals": intervals,
        "confusion_matrix": matrix.tolist(),
        "confusion_matrix_normalized": shares.tolist(),
        "decided": decided_part(table),
    }


def decided_part(table: pd.DataFrame) -> dict:
    """Returns how many faces were not left undecided: `coverage`, their share, and the `accuracy` on them."""
    decided = table["gender"].to_numpy() != UNDECIDED
    right = int((predicted_labels(table) == table["label"])[decided].sum())
    n = int(decided.sum())
    return {
        "n": n,
        "coverage": n / len(table),
        "accuracy": right / n if n else None,
        "accuracy_interval": rate_interval(right, n),
    }


def classification_report(table: pd.DataFrame) -> str:
    """Returns scikit-learn's report of precision, recall and F1 by class, as text."""
    return sklearn.metrics.classification_report(
        table["label"],
        predicted_labels(table),
        labels=range(len(faces.GENDERS)),
        target_names=faces.GENDERS,
        digits=4,
        zero_division=0,
    )


# The numbers below take labels and scores, (..., n), and give (...): scikit-learn's take one sample at a time, and a
# thousand samples of thirteen numbers would take it half a minute. The tests compare each with scikit-learn's.


def _recall(of: int) -> Callable:
    def recall(label: np.ndarray, score: np.ndarray) -> np.ndarray:
        return (((score > THRESHOLD) == of) & (label == of)).sum(-1) / (label == of).sum(-1)

    return recall


def _precision(of: int) -> Callable:
    return lambda label, score: (
        (((score > THRESHOLD) == of) & (label == of)).sum(-1) / ((score > THRESHOLD) == of).sum(-1)
    )


def _f1(of: int) -> Callable:
    return lambda label, score: (
        2
        * (((score > THRESHOLD) == of) & (label == of)).sum(-1)
        / (((score > THRESHOLD) == of).sum(-1) + (label == of).sum(-1))
    )


def _balanced_accuracy(label: np.ndarray, score: np.ndarray) -> np.ndarray:
    return (_recall(0)(label, score) + _recall(1)(label, score)) / 2


def _roc_auc(label: np.ndarray, score: np.ndarray) -> np.ndarray:
    """The share of pairs of a female and a male in which she has the higher score: Mann and Whitney's U, 1947."""
    female = label.sum(-1)
    ranks = (scipy.stats.rankdata(score, axis=-1) * label).sum(-1)
    return (ranks - female * (female + 1) / 2) / (female * (label.shape[-1] - female))


def _average_precision(label: np.ndarray, score: np.ndarray) -> np.ndarray:
    """The mean of the precisions at the score of each female face, those of one score coming in together."""
    order = np.argsort(-score, axis=-1)
    label, score = np.take_along_axis(label, order, -1), np.take_along_axis(score, order, -1)
    places = np.arange(label.shape[-1])
    precision = np.cumsum(label, axis=-1) / (places + 1)
    last = np.where(np.diff(score, axis=-1, append=-1) != 0, places, len(places) - 1)
    last = np.minimum.accumulate(last[..., ::-1], axis=-1)[..., ::-1]
    return (np.take_along_axis(precision, last, -1) * label).sum(-1) / label.sum(-1)


def _log_loss(label: np.ndarray, score: np.ndarray) -> np.ndarray:
    tiny = np.finfo(score.dtype).eps
    return -np.log(np.clip(np.where(label == 1, score, 1 - score), tiny, 1)).mean(-1)


def _expected_calibration_error(label: np.ndarray, score: np.ndarray) -> np.ndarray:
    """The mean gap between score and share of female over bins of equal width, each weighed by its faces.

    Naeini, Cooper and Hauskrecht, "Obtaining Well Calibrated Probabilities Using Bayesian Binning", 2015.
    """
    number = np.minimum((score * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    gaps = [np.abs(((score - label) * (number == of_bin)).sum(-1)) for of_bin in range(CALIBRATION_BINS)]
    return np.sum(gaps, axis=0) / score.shape[-1]


METRICS: dict[str, Callable[[np.ndarray, np.ndarray], np.ndarray]] = {
    "balanced_accuracy": _balanced_accuracy,
    **{
        f"{name}_{gender}": of(number)
        for number, gender in enumerate(faces.GENDERS)
        for name, of in (("precision", _precision), ("recall", _recall), ("f1", _f1))
    },
    "roc_auc": _roc_auc,
    "average_precision": _average_precision,
    "log_loss": _log_loss,
    "brier_score": lambda label, score: ((score - label) ** 2).mean(-1),
    "expected_calibration_error": _expected_calibration_error,
}


def _bootstrap(label: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Returns the values of `METRICS` on samples of the faces drawn with replacement, (metrics, samples)."""
    with warnings.catch_warnings():
        # of a few faces all samples may be alike; an interval of one point is then what there is
        warnings.simplefilter("ignore", scipy.stats.DegenerateDataWarning)
        return scipy.stats.bootstrap(
            (label, score),
            lambda *sample, axis: _values(*sample),
            paired=True,
            vectorized=True,
            n_resamples=_RESAMPLES,
            batch=100,  # of 4,000 faces each: some 3 MB an array
            method="percentile",
            rng=np.random.default_rng(0),
        ).bootstrap_distribution


def _values(label: np.ndarray, score: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.stack([metric(label, score) for metric in METRICS.values()])
