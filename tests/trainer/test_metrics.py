"""Each number against a computation by hand or scikit-learn's, and the intervals against what is known of them."""

import math

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics

from gender_tfds.run_folder import UNDECIDED
from trainer.metrics import METRICS, classification_report, compute_metrics, decided_part

# male right, male wrong, female right, female right, female wrong
TABLE = pd.DataFrame(
    {
        "gender": ["male", "female", "female", "female", "male"],
        "label": [0, 0, 1, 1, 1],
        "p_female": [0.1, 0.8, 0.9, 0.6, 0.5],
        "age": [20, 2, 30, -1, 50],
        "ethnicity": [0, 0, 1, -1, 1],
    }
)


def _random_table(n, skill=0.2, seed=0):
    """Scores in steps of 0.02, so that many are equal."""
    rng = np.random.default_rng(seed)
    label = rng.integers(0, 2, n)
    score = np.round(np.clip(rng.normal(0.5 + skill * (2 * label - 1), 0.2), 0.01, 0.99) / 2, 2) * 2
    return pd.DataFrame({"gender": "male", "label": label, "p_female": score, "age": 30, "ethnicity": -1})


def test_numbers_on_a_small_table():
    numbers = compute_metrics(TABLE)
    assert numbers["n"] == 5
    assert numbers["accuracy"] == 3 / 5
    assert numbers["confusion_matrix"] == [[1, 1], [1, 2]]
    np.testing.assert_allclose(numbers["confusion_matrix_normalized"], [[1 / 2, 1 / 2], [1 / 3, 2 / 3]])
    assert numbers["balanced_accuracy"] == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert numbers["precision_female"] == pytest.approx(2 / 3)
    assert numbers["recall_male"] == pytest.approx(1 / 2)
    assert numbers["f1_female"] == pytest.approx(2 / 3)
    losses = [math.log(0.9), math.log(0.2), math.log(0.9), math.log(0.6), math.log(0.5)]
    assert numbers["log_loss"] == pytest.approx(-sum(losses) / 5)
    assert numbers["brier_score"] == pytest.approx((0.01 + 0.64 + 0.01 + 0.16 + 0.25) / 5)
    # of the six pairs (male, female), the female is above in 0.1 against all three and in 0.8 against 0.9
    assert numbers["roc_auc"] == pytest.approx(4 / 6)
    # from the top: 0.9 female (1 of 1), 0.8 male, 0.6 female (2 of 3), 0.5 female (3 of 4)
    assert numbers["average_precision"] == pytest.approx((1 + 2 / 3 + 3 / 4) / 3)
    # every face alone in its bin
    assert numbers["expected_calibration_error"] == pytest.approx((0.1 + 0.8 + 0.1 + 0.4 + 0.5) / 5)
    assert numbers["accuracy_over_3_years"] == pytest.approx(2 / 3)


def test_faces_of_one_bin_are_judged_together_by_the_calibration_error():
    score = np.array([0.61, 0.62, 0.63, 0.64])
    assert METRICS["expected_calibration_error"](np.array([1, 1, 0, 0]), score) == pytest.approx(0.625 - 0.5)


@pytest.mark.parametrize("n", [7, 500])
def test_numbers_are_scikit_learns(n):
    table = _random_table(n)
    label, score = table["label"].to_numpy(), table["p_female"].to_numpy()
    predicted = score > 0.5
    expected = {
        "accuracy": sklearn.metrics.accuracy_score(label, predicted),
        "balanced_accuracy": sklearn.metrics.balanced_accuracy_score(label, predicted),
        "roc_auc": sklearn.metrics.roc_auc_score(label, score),
        "average_precision": sklearn.metrics.average_precision_score(label, score),
        "log_loss": sklearn.metrics.log_loss(label, score),
        "brier_score": sklearn.metrics.brier_score_loss(label, score),
    }
    for number, gender in enumerate(("male", "female")):
        of_class = sklearn.metrics.precision_recall_fscore_support(label, predicted, labels=[number])
        expected |= {
            f"{name}_{gender}": value[0]
            for name, value in zip(("precision", "recall", "f1"), of_class[:3], strict=True)
        }
    numbers = compute_metrics(table)
    assert {name: numbers[name] for name in expected} == pytest.approx(expected)
    assert set(expected) | {"accuracy_over_3_years", "expected_calibration_error"} == set(numbers["intervals"])
    turned = compute_metrics(table.assign(label=1 - label))
    assert turned["roc_auc"] == pytest.approx(1 - numbers["roc_auc"])


def test_bootstrapped_intervals_hold_the_number_and_are_as_wide_as_theory_says():
    table = _random_table(2000)
    numbers = compute_metrics(table)
    for name, (low, high) in numbers["intervals"].items():
        assert low <= numbers[name] <= high, name
    squares = (table["p_female"] - table["label"]) ** 2
    expected = 2 * 1.96 * squares.std() / math.sqrt(len(table))
    low, high = numbers["intervals"]["brier_score"]
    assert high - low == pytest.approx(expected, rel=0.1)
    low, high = compute_metrics(_random_table(500))["intervals"]["brier_score"]
    assert high - low > 1.5 * expected


def test_a_table_of_one_class_or_one_face_has_what_can_be_said_of_it():
    numbers = compute_metrics(TABLE[TABLE["label"] == 1])
    assert "roc_auc" not in numbers
    assert "roc_auc" not in numbers["intervals"]
    assert numbers["confusion_matrix"] == [[0, 0], [1, 2]]
    assert compute_metrics(TABLE[:1])["accuracy"] == 1


def test_undecided_faces_count_in_the_accuracy_and_not_in_that_of_the_decided():
    table = TABLE.assign(gender=["male", UNDECIDED, "female", UNDECIDED, "male"])
    decided = decided_part(table)
    assert (decided["n"], decided["coverage"], decided["accuracy"]) == (3, 3 / 5, 2 / 3)
    assert compute_metrics(table)["accuracy"] == compute_metrics(TABLE)["accuracy"]
    assert decided_part(TABLE)["coverage"] == 1
    nobody = decided_part(table.assign(gender=UNDECIDED))
    assert (nobody["n"], nobody["accuracy"], nobody["accuracy_interval"]) == (0, None, [0.0, 1.0])


def test_the_report_as_text_names_the_classes():
    lines = classification_report(TABLE).splitlines()
    assert [line.split()[0] for line in lines if line] == [
        "precision",
        "male",
        "female",
        "accuracy",
        "macro",
        "weighted",
    ]
    assert lines[3].split() == ["female", "0.6667", "0.6667", "0.6667", "3"]
