"""Each number against a computation by hand."""

import math

import numpy as np
import pandas as pd
import pytest

from trainer.metrics import MIN_SLICE, accuracy_interval, compute_metrics, compute_slices, worst_slice

# male right, male wrong, female right, female right, female wrong
TABLE = pd.DataFrame(
    {
        "label": [0, 0, 1, 1, 1],
        "p_female": [0.1, 0.8, 0.9, 0.6, 0.5],
        "age": [20, 2, 30, -1, 50],
        "ethnicity": [0, 0, 1, -1, 1],
    }
)


def test_numbers_on_a_small_table():
    numbers = compute_metrics(TABLE)
    assert numbers["n"] == 5
    assert numbers["accuracy"] == 3 / 5
    assert numbers["confusion_matrix"] == [[1, 1], [1, 2]]
    assert numbers["balanced_accuracy"] == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert numbers["classes"]["female"]["precision"] == pytest.approx(2 / 3)
    assert numbers["classes"]["male"]["recall"] == pytest.approx(1 / 2)
    losses = [math.log(0.9), math.log(0.2), math.log(0.9), math.log(0.6), math.log(0.5)]
    assert numbers["log_loss"] == pytest.approx(-sum(losses) / 5)
    assert numbers["brier_score"] == pytest.approx((0.01 + 0.64 + 0.01 + 0.16 + 0.25) / 5)
    # of the six pairs (male, female), the female is above in 0.1 against all three and in 0.8 against 0.9
    assert numbers["roc_auc"] == pytest.approx(4 / 6)
    assert numbers["accuracy_over_3_years"] == pytest.approx(2 / 3)


def test_an_interval_against_wilsons_formula():
    z, n, p = 1.959963984540054, 200, 0.9
    centre, width = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    expected = [(centre - width) / (1 + z * z / n), (centre + width) / (1 + z * z / n)]
    assert accuracy_interval(180, 200) == pytest.approx(expected)
    assert accuracy_interval(0, 0) == [0.0, 1.0]


def test_a_table_of_one_class_has_no_area_and_no_error():
    numbers = compute_metrics(TABLE[TABLE["label"] == 1])
    assert "roc_auc" not in numbers
    assert numbers["confusion_matrix"] == [[0, 0], [1, 2]]


def test_slices_are_counted_ranked_and_the_worst_is_named():
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
    assert list(slices["slice"]) == ["45-59", "18-29", "75+"]
    assert list(slices["n"]) == [n, n, 5]
    assert list(slices["ranked"]) == [True, True, False]
    assert slices["accuracy"][0] == pytest.approx((n - 3) / n)
    # the five oldest are all wrong, and too few to be called the worst
    assert worst_slice(slices) == {"by": "age", "slice": "45-59", "n": n, "accuracy": pytest.approx((n - 3) / n)}


def test_faces_of_unknown_age_and_ethnicity_are_in_no_slice():
    slices = compute_slices(TABLE.assign(age=-1, ethnicity=-1))
    assert slices.empty
    assert worst_slice(slices) is None


def test_every_known_face_is_in_one_age_band():
    table = pd.DataFrame({"label": 1, "p_female": 0.9, "age": range(117), "ethnicity": -1})
    assert compute_slices(table)["n"].sum() == 117
