"""Planted label errors are found by good predictions, and not by predictions that know nothing."""

import numpy as np
import pandas as pd
import pytest

from gender_tfds.user_error import UserError
from trainer.label_errors import find_label_errors, match_predictions


def _planted(skill, n=3000, share=0.02):
    """Faces of which a share has its label turned, and predictions of the true one."""
    rng = np.random.default_rng(0)
    true = rng.integers(0, 2, n)
    score = np.clip(rng.normal(0.5 + skill * (2 * true - 1), 0.15), 0.001, 0.999)
    turned = np.zeros(n, bool)
    turned[rng.choice(n, int(share * n), replace=False)] = True
    table = pd.DataFrame({"path": [f"{number}.jpg" for number in range(n)], "label": np.where(turned, 1 - true, true)})
    return table.assign(p_female=score), turned


def _found_among_as_many(table, turned):
    candidates = find_label_errors(table)["path"].head(turned.sum())
    return candidates.isin(table["path"][turned]).sum() / turned.sum()


def test_of_two_percent_turned_labels_seventy_percent_are_among_as_many_candidates():
    assert _found_among_as_many(*_planted(skill=0.35)) >= 0.7


def test_predictions_that_know_nothing_find_few():
    assert _found_among_as_many(*_planted(skill=0.0)) < 0.2


def test_the_least_believed_label_comes_first():
    found = find_label_errors(_planted(skill=0.35)[0])
    assert found["quality"].is_monotonic_increasing
    believed = np.where(found["label"] == 1, found["p_female"], 1 - found["p_female"])
    np.testing.assert_allclose(found["quality"], believed)


FACES = pd.DataFrame({"path": ["a", "b", "c"], "label": [0, 1, 1]})
PREDICTIONS = FACES.assign(p_female=[0.1, 0.9, 0.8], part=[0, 0, 1], dataset="one")


def test_predictions_of_the_data_are_taken_those_of_others_beside_them_are_not():
    others = PREDICTIONS.assign(dataset="two", label=0)
    both = pd.concat([PREDICTIONS, others])
    pd.testing.assert_frame_equal(match_predictions(both, FACES, "one"), PREDICTIONS)


@pytest.mark.parametrize(
    ("predictions", "said"),
    [
        (PREDICTIONS.drop(columns="part"), "is not of gender-cross-validate"),
        (PREDICTIONS[:2], "2 faces of one where the data set has 3, and 0"),
        (PREDICTIONS.assign(label=[1, 1, 1]), "and 1 that it does not have or labels otherwise"),
        (PREDICTIONS.assign(path=["a", "b", "x"]), "and 1 that it does not have"),
    ],
)
def test_predictions_of_something_else_are_one_sentence(predictions, said):
    with pytest.raises(UserError, match=said):
        match_predictions(predictions, FACES, "one")
