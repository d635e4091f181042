"""The predictions of a cross-validation's parts in one table, every face once, and numbers over the parts."""

import pathlib
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import scipy.stats
import tensorflow_datasets as tfds

from gender_tfds import faces, reading, run_folder
from gender_tfds.user_error import UserError
from trainer.config import TrainConfig
from trainer.evaluations import evaluation_folder
from trainer.metrics import compute_metrics
from trainer.predictions import read_table


def part_folder(workdir: pathlib.Path, number: int) -> pathlib.Path:
    """Returns the run folder of a part, counted from 0, below that of the cross-validation."""
    return workdir / f"fold_{number}"


def count_folds(builder: tfds.core.DatasetBuilder) -> np.ndarray:
    """Returns the number of faces of each class in each of the ten folds, (10, 2).

    Raises:
      UserError: labels that are no class.
    """
    examples = reading.read_folds(builder, range(faces.NUM_FOLDS)).map(lambda one: (one["fold"], one["label"]))
    folds, labels = (np.concatenate(of) for of in zip(*examples.batch(4096).as_numpy_iterator(), strict=True))
    reading.check_labels(builder, labels)
    counts = np.zeros((faces.NUM_FOLDS, len(faces.GENDERS)), int)
    np.add.at(counts, (folds, labels), 1)
    return counts


def gather_predictions(
    workdir: pathlib.Path, parts: Sequence[TrainConfig], counts: Mapping[str, np.ndarray]
) -> pd.DataFrame:
    """Returns the predictions of all parts in one table, as text: every face of the data once.

    Args:
      workdir: the folder of the cross-validation.
      parts: settings of each.
      counts: of each data set, from `count_folds`.

    Returns:
      The columns of the parts' `predictions.csv`, `part` (from 0, as in the folder's name) and `dataset`.

    Raises:
      UserError: a part's table is missing or does not hold the faces of its folds.
    """
    tables = []
    for number, part in enumerate(parts):
        run = part_folder(workdir, number)
        for name in part.datasets:
            path = evaluation_folder(run, part.datasets[0], name, "test") / run_folder.PREDICTIONS
            expected = {str(fold): int(n) for fold in part.folds("test") if (n := counts[name][fold].sum())}
            remedy = f"remove {run} and go on with --resume"
            table = read_table(path, ["fold"], remedy, text=True)
            found = table["fold"].value_counts().to_dict()
            if found != expected:
                raise UserError(f"{path} holds {found} faces by fold where the data have {expected}; {remedy}")
            tables.append(table.assign(part=str(number), dataset=name))
    return pd.concat(tables, ignore_index=True)


def summarize(table: pd.DataFrame) -> dict:
    """Returns `metrics`, each number of `compute_metrics` that all parts have over the parts, and `pooled`.

    Args:
      table: as for `compute_metrics`, with a column `part`.
    """
    of_parts = [compute_metrics(rows) for _, rows in table.groupby("part")]
    names = [name for name, value in of_parts[0].items() if isinstance(value, float)]
    return {
        "metrics": {
            name: over_parts([numbers[name] for numbers in of_parts])
            for name in names
            if all(name in numbers for numbers in of_parts)
        },
        "pooled": compute_metrics(table),
    }


def over_parts(values: Sequence[float]) -> dict:
    """Returns the mean of a number over the parts, its standard deviation, the 95 % t-interval of the mean, the values.

    Any two parts share most of their training faces, so the interval is somewhat too narrow (Bengio and Grandvalet, "No
    Unbiased Estimator of the Variance of K-Fold Cross-Validation", 2004). It may reach beyond the range of the number.

    >>> [round(end, 3) for end in over_parts([0.8, 0.9])["interval"]]  # 0.85 ± 12.7 × 0.05
    [0.215, 1.485]
    """
    mean, deviation = float(np.mean(values)), float(np.std(values, ddof=1))
    half = float(scipy.stats.t.ppf(0.975, len(values) - 1)) * deviation / len(values) ** 0.5
    return {
        "mean": mean,
        "standard_deviation": deviation,
        "interval": [mean - half, mean + half],
        "values": list(values),
    }
