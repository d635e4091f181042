"""The counts of a table, and its histogram."""

import cv2
import numpy as np

from export.summary import Summary


def _summary(*rows) -> Summary:
    summary = Summary()
    for gender, p_female, error in rows:
        summary.add({"path": "x", "gender": gender, "p_female": p_female, "error": error})
    return summary


def test_counts_by_gender_and_errors_by_reason():
    summary = _summary(
        ("female", 1.0, None),
        ("male", "0.2", None),
        ("undecided", 0.5, None),
        (None, None, "lost"),
        (None, None, "lost"),
    )
    assert summary.line() == "2 errors, 1 female, 1 male, 1 undecided"
    lines = summary.table().splitlines()
    assert [line.split(maxsplit=2) for line in lines[:-1]] == [
        ["1", "20.0%", "female"],
        ["1", "20.0%", "male"],
        ["1", "20.0%", "undecided"],
        ["2", "40.0%", "error: lost"],
        ["5", "100.0%", "rows"],
    ]
    assert "perceived" in lines[-1]
    assert _summary(("male", 0.1, None)).line() == "0 errors, 1 male"


def test_the_histogram_shows_where_the_probabilities_lie(tmp_path):
    for name, p_female in (("low.png", 0.0), ("high.png", 1.0)):
        _summary(*[("male", p_female, None)] * 5).plot(tmp_path / name, "drawn faces, n = 5")
    low, high = (cv2.imread(str(tmp_path / name)).astype(int) for name in ("low.png", "high.png"))
    blue = [np.flatnonzero((image[..., 0] - image[..., 2] > 100).any(axis=0)).mean() for image in (low, high)]
    assert blue[0] < low.shape[1] / 4
    assert blue[1] > low.shape[1] * 3 / 4
