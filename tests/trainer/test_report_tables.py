"""What report and card both tell: numbers with intervals, slices for reading, the worst in words."""

import pandas as pd

from trainer import report_tables
from trainer.slices import compute_slices

NUMBERS = {
    "n": 4000,
    "accuracy": 0.9,
    "roc_auc": 0.95,
    "intervals": {"accuracy": [0.88, 0.92], "roc_auc": [0.93, 0.97]},
    "worst_slice": {"by": "age", "slice": "0-3", "n": 200, "error_rate": 0.4},
    "min_confidence": 0.5,
    "decided": {"n": 4000, "coverage": 1.0, "accuracy": 0.9},
}


def test_each_number_has_its_interval_and_the_worst_slice_stands_beside_the_accuracy():
    assert list(report_tables.measured(NUMBERS).items())[:3] == [
        ("accuracy", "0.9000 (0.8800 to 0.9200)"),
        ("worst slice", "age 0-3, error rate 0.4000 on 200 faces"),
        ("faces", "4,000"),
    ]


def test_undecided_faces_are_told_of_where_there_are_any():
    some = NUMBERS | {"min_confidence": 0.8, "decided": {"n": 3000, "coverage": 0.75, "accuracy": 0.97}}
    told = report_tables.measured(some)["decided at --min_confidence=0.8"]
    assert told == "75.0% of the faces, accuracy 0.9700"
    assert not any("decided" in name for name in report_tables.measured(NUMBERS))


def test_no_worst_slice_is_said():
    assert report_tables.worst(NUMBERS | {"worst_slice": None}).startswith("none is known")


def test_slices_for_reading_leave_out_what_is_not_known():
    slices = compute_slices(pd.DataFrame({"label": [1, 1], "p_female": [0.9, 0.1], "age": 20, "ethnicity": -1}))
    (row,) = report_tables.slice_table(slices).to_dict("records")
    assert row["error rate"].startswith("0.500 (")
    assert row["male called female"] == ""  # there is no male face
    assert row["ranked"] == "no, too few faces"
