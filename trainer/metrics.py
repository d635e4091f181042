"""Numbers from a table of predictions, and from nothing else."""

import numpy as np
import pandas as pd
import scipy.stats
import sklearn.metrics

from gender_tfds import faces
from gender_tfds.run_folder import THRESHOLD

# lower bounds of the age bands in years; the last is open
AGE_BANDS = (0, 4, 10, 18, 30, 45, 60, 75)
MIN_SLICE = 30  # a slice of fewer faces is marked and not ranked: its rate says too little
INFANT_AGE = 3  # labels of faces up to this age are little better than a guess


def accuracy_interval(right: int, n: int) -> list[float]:
    """Returns the 95 % Wilson score interval of an accuracy, [low, high]; of nothing, [0, 1]."""
    if not n:
        return [0.0, 1.0]
    interval = scipy.stats.binomtest(right, n).proportion_ci(method="wilson")
    return [float(interval.low), float(interval.high)]


def compute_metrics(table: pd.DataFrame) -> dict:
    """Returns the numbers of `metrics.json`.

    Args:
      table: columns `label` (0 male, 1 female), `p_female` in [0, 1], `age` in years (-1 unknown); a row a face.
    """
    label, score = table["label"].to_numpy(), table["p_female"].to_numpy()
    predicted = (score > THRESHOLD).astype(int)
    right = int((predicted == label).sum())
    classes = list(range(len(faces.GENDERS)))
    metrics = {
        "n": len(table),
        "accuracy": right / len(table),
        "accuracy_interval": accuracy_interval(right, len(table)),
        "balanced_accuracy": float(sklearn.metrics.recall_score(label, predicted, average="macro", zero_division=0)),
        "log_loss": float(sklearn.metrics.log_loss(label, score, labels=classes)),
        "brier_score": float(np.mean((score - label) ** 2)),
        "confusion_matrix": sklearn.metrics.confusion_matrix(label, predicted, labels=classes).tolist(),
        "classes": sklearn.metrics.classification_report(
            label, predicted, labels=classes, target_names=faces.GENDERS, output_dict=True, zero_division=0
        ),
    }
    if len(set(label)) == len(classes):  # a ranking of one class has no area
        metrics["roc_auc"] = float(sklearn.metrics.roc_auc_score(label, score))
    older = table["age"].to_numpy() > INFANT_AGE
    if older.any():
        metrics["accuracy_over_3_years"] = float((predicted == label)[older].mean())
    return metrics


def compute_slices(table: pd.DataFrame) -> pd.DataFrame:
    """Returns a row for each age band and each ethnicity that occurs: count, accuracy, interval, worst first.

    Args:
      table: as for `compute_metrics`, with a column `ethnicity` (class number, -1 unknown).

    Returns:
      Columns by, slice, n, accuracy, low, high (95 % interval), ranked: whether there are `MIN_SLICE` faces or more.
    """
    right = ((table["p_female"] > THRESHOLD).astype(int) == table["label"]).to_numpy()
    members: dict[tuple[str, str], np.ndarray] = {}
    ages = table["age"].to_numpy()
    for low, high in zip(AGE_BANDS, (*AGE_BANDS[1:], None), strict=True):
        name = f"{low}+" if high is None else f"{low}-{high - 1}"
        members["age", name] = (ages >= low) & (ages < (high or np.inf))
    for number, name in enumerate(faces.ETHNICITIES):
        members["ethnicity", name] = (table["ethnicity"] == number).to_numpy()
    rows = []
    for (by, name), chosen in members.items():
        n = int(chosen.sum())
        if n:
            low, high = accuracy_interval(int(right[chosen].sum()), n)
            rows.append((by, name, n, float(right[chosen].mean()), low, high, n >= MIN_SLICE))
    slices = pd.DataFrame(rows, columns=["by", "slice", "n", "accuracy", "low", "high", "ranked"])
    return slices.sort_values(["ranked", "accuracy"], ascending=[False, True], ignore_index=True)


def worst_slice(slices: pd.DataFrame) -> dict | None:
    """Returns the slice of the lowest accuracy among those of `MIN_SLICE` faces or more; None if there is none."""
    ranked = slices[slices["ranked"]]
    return None if ranked.empty else ranked.iloc[0][["by", "slice", "n", "accuracy"]].to_dict()
