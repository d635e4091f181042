"""run_folder: the names that others rely on, and what a row of predictions says."""

import dataclasses
import math

import pytest

from gender_tfds import run_folder
from gender_tfds.run_folder import Prediction


def test_the_names_of_the_first_release_stay():
    assert {
        "cnn_gender_classifier.keras",
        "model_plot.png",
        "accuracy_plot.png",
        "loss_plot.png",
        "confusion_matrix.png",
        "sample_predictions.png",
    } <= set(_file_names())


def _file_names():
    return [value for name, value in vars(run_folder).items() if name.isupper() and isinstance(value, str)]


def test_no_two_things_have_one_name():
    names = _file_names()
    assert len(names) == len(set(names))
    assert not any("/" in name for name in names)


def test_the_columns_in_order():
    assert list(run_folder.COLUMNS.items()) == [
        ("path", str),
        ("gender", str),
        ("confidence", float),
        ("p_female", float),
        ("error", str),
    ]
    assert list(run_folder.COLUMNS) == [field.name for field in dataclasses.fields(Prediction)]


@pytest.mark.parametrize(
    ("p_female", "gender", "confidence"),
    [
        (0.0, "male", 1.0),
        (0.25, "male", 0.75),
        (0.5, "male", 0.5),
        (0.5 + 2**-16, "female", 0.500015),
        (0.75, "female", 0.75),
        (1.0, "female", 1.0),
    ],
)
def test_the_more_probable_gender_is_predicted(p_female, gender, confidence):
    row = Prediction.from_probability("a.jpg", p_female)
    assert row == Prediction("a.jpg", gender, confidence, round(p_female, 6), None)


def test_a_row_without_a_prediction_has_an_error_and_nothing_else():
    assert dataclasses.astuple(Prediction("a.jpg", error="damaged")) == ("a.jpg", None, None, None, "damaged")


@pytest.mark.parametrize(
    ("p_female", "given"),
    [(math.nan, "no number"), (1 + 1e-6, "a number outside [0, 1]"), (-math.inf, "a number outside [0, 1]")],
)
def test_what_is_no_probability_is_an_error_and_no_prediction(p_female, given):
    error = f"the model gives {given} for this picture"
    assert Prediction.from_probability("a.jpg", p_female) == Prediction("a.jpg", error=error)
    assert Prediction.from_probability("a.jpg", 1.0).error is None


def test_a_face_below_the_confidence_is_undecided_and_keeps_its_score():
    row = Prediction.from_probability("a.jpg", 0.7, min_confidence=0.75)
    assert row == Prediction("a.jpg", "undecided", 0.7, 0.7, None)
    assert Prediction.from_probability("a.jpg", 0.75, min_confidence=0.75).gender == "female"
    assert Prediction.from_probability("a.jpg", 0.2, min_confidence=0.75).gender == "male"
