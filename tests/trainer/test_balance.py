"""Unequal classes and several data sets."""

import pytest

from trainer.balance import class_weights, faces_per_epoch
from trainer.config import TrainConfig

COUNTS = [{"male": 500, "female": 100}]
TWO = [{"male": 500, "female": 100}, {"male": 20, "female": 60}]


def test_without_a_wish_every_face_is_seen_once_and_weighs_one():
    assert faces_per_epoch(TrainConfig(), TWO) == TWO
    assert class_weights(TrainConfig(), TWO) == (1.0, 1.0)


def test_weights_by_number_make_the_classes_equal_and_keep_the_mean():
    male, female = class_weights(TrainConfig(balance="class_weights"), COUNTS)
    assert male * 500 == pytest.approx(female * 100)
    assert male * 500 + female * 100 == pytest.approx(600)
    assert faces_per_epoch(TrainConfig(balance="class_weights"), COUNTS) == COUNTS


def test_given_weights_are_taken():
    config = TrainConfig(balance="class_weights", class_weights=("1", "2.5"))
    assert class_weights(config, COUNTS) == (1.0, 2.5)


def test_oversampling_shows_the_rarer_class_as_often_as_the_other():
    assert faces_per_epoch(TrainConfig(balance="oversample"), COUNTS) == [{"male": 500, "female": 500}]


def test_undersampling_shows_the_other_as_seldom():
    assert faces_per_epoch(TrainConfig(balance="undersample"), COUNTS) == [{"male": 100, "female": 100}]


def test_a_class_is_balanced_over_all_data_sets_and_keeps_their_shares():
    shown = faces_per_epoch(TrainConfig(balance="oversample", dataset="a,b"), TWO)
    assert sum(of_set["male"] for of_set in shown) == 520
    assert sum(of_set["female"] for of_set in shown) == pytest.approx(520, abs=1)
    assert shown[0]["female"] / shown[1]["female"] == pytest.approx(100 / 60, rel=0.01)


def test_a_data_sets_weight_says_how_often_its_faces_are_seen():
    config = TrainConfig(dataset="a,b", dataset_weights=("1", "2.5"))
    assert faces_per_epoch(config, TWO) == [TWO[0], {"male": 50, "female": 150}]
    weighed = TrainConfig(balance="class_weights")
    assert class_weights(weighed, faces_per_epoch(config, TWO)) == pytest.approx((800 / 1100, 800 / 500))
