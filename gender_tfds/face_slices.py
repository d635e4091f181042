"""Groups of faces by age, ethnicity and both, and the interval of a rate: what runs and artefacts are judged by."""

import itertools

import numpy as np
import pandas as pd
import scipy.stats

from gender_tfds import faces

# lower bounds of the age bands in years; the last is open
AGE_BANDS = (0, 4, 10, 18, 30, 45, 60, 75)
MIN_SLICE = 30  # a slice of fewer faces is marked and not ranked: its rate says too little
BOTH = "age and ethnicity"
INFANTS = f"{AGE_BANDS[0]}-{AGE_BANDS[1] - 1}"  # the name of the first band


def rate_interval(hits: int, n: int) -> list[float]:
    """Returns the 95 % Wilson score interval of a rate, [low, high]; of nothing, [0, 1]."""
    if not n:
        return [0.0, 1.0]
    # of a rate that was expected no p-value is looked for, which takes five times as long as the interval
    interval = scipy.stats.binomtest(hits, n, hits / n).proportion_ci(method="wilson")
    return [float(interval.low), float(interval.high)]


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
