"""The loss of training, against the same by NumPy."""

import keras
import numpy as np
import pytest

from trainer.objective import AGE_UNIT, OUTPUTS, TARGETS, Objective, accuracy, cross_entropy

LABELS = np.array([0, 1, 1, 0], np.float32)
AGES = np.array([20, 40, -1, 60], np.float32)
TRUE = np.stack([LABELS, AGES], axis=1)
SCORES = np.array([0.2, 0.6, 0.9, 0.7], np.float32)
AGE_SCORES = np.array([1.0, 1.0, 2.0, 2.0], np.float32)


def _predicted(share=1.0, teacher=0.5):
    columns = {"p_female": SCORES, "age": AGE_SCORES, "share": np.full(4, share), "teacher": np.full(4, teacher)}
    return np.stack([columns[name] for name in OUTPUTS], axis=1).astype(np.float32)


def _losses(objective, predicted=None):
    return np.asarray(objective.call(TRUE, _predicted() if predicted is None else predicted))


def _entropy(target, score=SCORES):
    return -(target * np.log(score) + (1 - target) * np.log(1 - score))


def test_columns():
    assert TARGETS == ("label", "age")
    assert OUTPUTS == ("p_female", "age", "share", "teacher")


def test_plain_it_is_the_binary_cross_entropy_of_keras():
    theirs = keras.losses.BinaryCrossentropy()(LABELS[:, None], SCORES[:, None])
    assert float(Objective()(TRUE, _predicted())) == pytest.approx(float(theirs), rel=1e-5)
    assert float(Objective()(np.roll(TRUE, 1, axis=0), _predicted())) != pytest.approx(float(theirs), rel=1e-2)


def test_smoothing_is_that_of_keras():
    theirs = keras.losses.BinaryCrossentropy(label_smoothing=0.2)(LABELS[:, None], SCORES[:, None])
    assert float(Objective(0.2)(TRUE, _predicted())) == pytest.approx(float(theirs), rel=1e-5)


def test_class_weights_weigh_each_class():
    losses = _losses(Objective(class_weights=(1.0, 3.0)))
    np.testing.assert_allclose(losses, _entropy(LABELS) * np.where(LABELS == 1, 3, 1), rtol=1e-5)


def test_a_blend_has_the_targets_of_both_pictures():
    target = 0.7 * LABELS + 0.3 * LABELS[::-1]
    np.testing.assert_allclose(_losses(Objective(), _predicted(share=0.7)), _entropy(target), rtol=1e-5)


def test_age_counts_where_it_is_known_of_both_pictures():
    added = _losses(Objective(age_weight=0.5), _predicted(share=0.8)) - _losses(Objective(), _predicted(share=0.8))
    years = 0.8 * AGES + 0.2 * AGES[::-1]
    expected = 0.5 * np.abs(years / AGE_UNIT - AGE_SCORES) * np.array([1, 0, 0, 1])  # the third's age is unknown
    np.testing.assert_allclose(added, expected, rtol=1e-4, atol=1e-6)
    assert expected.any()


def test_the_teachers_opinion_is_a_part_of_the_target():
    losses = _losses(Objective(teacher_weight=0.4), _predicted(teacher=0.9))
    np.testing.assert_allclose(losses, _entropy(0.6 * LABELS + 0.4 * 0.9), rtol=1e-5)


def test_what_runs_are_compared_by_knows_nothing_of_all_that():
    np.testing.assert_array_equal(accuracy(TRUE, _predicted()), [1, 1, 1, 0])
    np.testing.assert_allclose(cross_entropy(TRUE, _predicted(share=0.7)), _entropy(LABELS), rtol=1e-5)


def test_certain_and_wrong_is_a_finite_loss():
    predicted = _predicted()
    predicted[:, 0] = [1, 0, 0, 1]
    assert np.isfinite(_losses(Objective(), predicted)).all()
