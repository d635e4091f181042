"""Who is in which slice, and the interval of a rate."""

import math

import numpy as np
import pandas as pd
import pytest

from gender_tfds.face_slices import BOTH, rate_interval, slice_members


def test_an_interval_against_wilsons_formula():
    z, n, p = 1.959963984540054, 200, 0.9
    centre, width = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    expected = [(centre - width) / (1 + z * z / n), (centre + width) / (1 + z * z / n)]
    assert rate_interval(180, 200) == pytest.approx(expected)
    assert rate_interval(0, 0) == [0.0, 1.0]


def test_every_known_face_is_in_one_slice_of_each_kind():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"age": np.arange(117), "ethnicity": rng.integers(0, 5, 117)})
    members = slice_members(table)
    for by in ("age", "ethnicity", BOTH):
        np.testing.assert_array_equal(sum(chosen.astype(int) for (kind, _), chosen in members.items() if kind == by), 1)
    assert members["age", "4-9"].nonzero()[0].tolist() == [4, 5, 6, 7, 8, 9]
