"""The same numbers for groups of faces: by age, by ethnicity, and by both."""

import itertools

import numpy as np
import pandas as pd

from gender_tfds import faces
from trainer.metrics import predicted_labels, rate_interval

# lower bounds of the age bands in years; the last is open
AGE_BANDS = (0, 4, 10, 18, 30, 45, 60, 75)
MIN_SLICE = 30  # a slice of fewer faces is marked and not ranked: its rate says too little
BOTH = "age and ethnicity"
_RATES = ("error_rate", "tpr", "fpr")
COLUMNS = ("by", "slice", "n", *(f"{rate}{end}" for rate in _RATES for end in ("", "_low", "_high")), "ranked")


def slice_members(table: pd.DataFrame) -> dict[tuple[str, str], np.ndarray]:
    """Returns which faces are in each slice that has any: (by, name) -> bool (n,).

    Args:
      table: columns `age` (years, -1 unknown) and `ethnicity` (class number, -1 unknown).
    """
    ages = table["age"].to_numpy()
    bands = {}
    for low, high in itertools.zip_longest(AGE_BANDS, AGE_BANDS[1:]):
        bands[f"{low}-{high - 1}" if high else f"{low}+"] = (ages >= low) & (ages < (high or np.inf))
    groups = {name: (table["ethnicity"] == number).to_numpy() for number, name in enumerate(faces.ETHNICITIES)}
    members = {("age", name): chosen for name, chosen in bands.items()}
    members |= {("ethnicity", name): chosen for name, chosen in groups.items()}
    for (band, of_age), (group, of_group) in itertools.product(bands.items(), groups.items()):
        members[BOTH, f"{band} {group}"] = of_age & of_group
    return {key: chosen for key, chosen in members.items() if chosen.any()}


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
