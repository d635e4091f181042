"""One run on several data sets."""

import json
import pathlib

import pandas as pd

from gender_tfds import run_folder
from gender_tfds.saved_run import load_run
from gender_tfds.user_error import UserError

FILE = "cross_set.csv"
_NUMBERS = ("dataset", "split", "n", "accuracy", "accuracy_over_3_years", "roc_auc")
COLUMNS = ("dataset", "split", "n", "accuracy", "low", "high", *_NUMBERS[4:], "ece", "worst_slice", "worst_error_rate")


def cross_set_table(workdir: pathlib.Path) -> pd.DataFrame:
    """Returns a row for each judgement in a run folder, its own first: columns `COLUMNS`.

    Raises:
      UserError: it is no run folder, or holds no judgement.
    """
    load_run(workdir)
    rows = []
    for path in [workdir / run_folder.METRICS, *sorted((workdir / run_folder.EVALUATIONS).glob("*/metrics.json"))]:
        if not path.is_file():
            continue
        numbers = json.loads(path.read_text())
        low, high = numbers["intervals"]["accuracy"]
        worst = numbers["worst_slice"] or {"slice": None, "error_rate": None}
        rows.append(
            {name: numbers.get(name) for name in _NUMBERS}
            | {"low": low, "high": high, "ece": numbers["expected_calibration_error"]}
            | {"worst_slice": worst["slice"], "worst_error_rate": worst["error_rate"]}
        )
    if not rows:
        raise UserError(f"{workdir} holds no judgement; make one with gender-evaluate --workdir={workdir}")
    return pd.DataFrame(rows, columns=COLUMNS)
