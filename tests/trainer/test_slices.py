"""Slices: who is in which, their rates, and the worst of them."""

import numpy as np
import pandas as pd
import pytest

from gender_tfds.face_slices import BOTH, MIN_SLICE, rate_interval
from trainer.slices import COLUMNS, compute_slices, worst_slice


def test_rates_and_intervals_of_one_slice():
    # of 4 male faces one is called female, of 6 female faces four are
    label, predicted = [0] * 4 + [1] * 6, [1, 0, 0, 0, 1, 1, 1, 1, 0, 0]
    table = pd.DataFrame({"label": label, "p_female": np.array(predicted) * 0.8 + 0.1, "age": 20, "ethnicity": -1})
    (row,) = compute_slices(table).to_dict("records")
    assert (row["by"], row["slice"], row["n"], row["ranked"]) == ("age", "18-29", 10, False)
    assert (row["error_rate"], row["tpr"], row["fpr"]) == (3 / 10, 4 / 6, 1 / 4)
    for name, hits, n in (("error_rate", 3, 10), ("tpr", 4, 6), ("fpr", 1, 4)):
        assert [row[f"{name}_low"], row[f"{name}_high"]] == rate_interval(hits, n)


def test_slices_are_ranked_and_the_worst_is_named():
    n = MIN_SLICE
    table = pd.DataFrame(
        {
            "label": np.ones(2 * n + 5, int),
            "p_female": [0.9] * n + [0.9] * (n - 3) + [0.1] * 3 + [0.1] * 5,
            "age": [25] * n + [50] * n + [90] * 5,
            "ethnicity": [-1] * (2 * n + 5),
        }
    )
    slices = compute_slices(table)
    assert tuple(slices.columns) == COLUMNS
    assert list(slices["slice"]) == ["45-59", "18-29", "75+"]
    assert list(slices["n"]) == [n, n, 5]
    assert list(slices["ranked"]) == [True, True, False]
    assert slices["fpr"].isna().all()  # there is no male face
    # the five oldest are all wrong, and too few to be called the worst
    assert worst_slice(slices) == {"by": "age", "slice": "45-59", "n": n, "error_rate": pytest.approx(3 / n)}


def test_the_worst_may_be_one_of_age_and_ethnicity_together():
    n = MIN_SLICE
    # each age and each ethnicity has n wrong of 2 n; one of their four intersections has all of those wrong
    table = pd.DataFrame(
        {
            "label": 1,
            "p_female": [0.1] * n + [0.9] * 3 * n,
            "age": [25] * 2 * n + [50] * 2 * n,
            "ethnicity": ([1] * n + [2] * n) * 2,
        }
    )
    assert worst_slice(compute_slices(table)) == {"by": BOTH, "slice": "18-29 black", "n": n, "error_rate": 1.0}


def test_faces_of_unknown_age_and_ethnicity_are_in_no_slice():
    slices = compute_slices(pd.DataFrame({"label": [0, 1], "p_female": [0.1, 0.9], "age": -1, "ethnicity": -1}))
    assert slices.empty
    assert worst_slice(slices) is None
