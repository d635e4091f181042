"""The same numbers for groups of faces: by age, by ethnicity, and by both."""

import numpy as np
import pandas as pd

from gender_tfds.face_slices import MIN_SLICE, rate_interval, slice_members
from trainer.metrics import predicted_labels

_RATES = ("error_rate", "tpr", "fpr")
COLUMNS = ("by", "slice", "n", *(f"{rate}{end}" for rate in _RATES for end in ("", "_low", "_high")), "ranked")


def compute_slices(table: pd.DataFrame) -> pd.DataFrame:
    """Returns a row for each slice: count, error rate, and the rates at which female and male faces are called female.

    Args:
      table: columns `label`, `p_female`, `age` and `ethnicity`; a row a face.

    Returns:
      Columns `COLUMNS`, worst first: `tpr` is the share of faces labelled female that were predicted female, `fpr` that
      of faces labelled male (empty where there are none), each rate with the ends of its 95 % Wilson interval; `ranked`
      tells whether there are `MIN_SLICE` faces or more.
    """
    label, predicted = table["label"].to_numpy(), predicted_labels(table)
    rows = []
    for (by, name), chosen in slice_members(table).items():
        rates = []
        for hits, of in (
            (predicted != label, chosen),
            (predicted == 1, chosen & (label == 1)),
            (predicted == 1, chosen & (label == 0)),
        ):
            number, n = int(hits[of].sum()), int(of.sum())
            rates += [number / n, *rate_interval(number, n)] if n else [np.nan] * 3
        n = int(chosen.sum())
        rows.append((by, name, n, *rates, n >= MIN_SLICE))
    slices = pd.DataFrame(rows, columns=COLUMNS)
    return slices.sort_values(["ranked", "error_rate"], ascending=False, ignore_index=True)


def worst_slice(slices: pd.DataFrame) -> dict | None:
    """Returns the slice of the highest error rate among those of `MIN_SLICE` faces or more; None if there is none."""
    ranked = slices[slices["ranked"].astype(bool)]
    return None if ranked.empty else ranked.iloc[0][["by", "slice", "n", "error_rate"]].to_dict()
