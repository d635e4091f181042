"""faces: class numbers, and folds that depend on a group's name and on nothing else."""

import hashlib
from unittest import mock

import numpy as np
import pytest

from gender_tfds import faces

NAMES = [f"{age}_{age % 2}_0_2017{stamp:013d}.jpg.chip.jpg" for age in range(100) for stamp in range(100)]


def test_class_numbers_are_those_of_utkface():
    assert faces.GENDERS == ("male", "female")
    assert faces.ETHNICITIES == ("white", "black", "asian", "indian", "others")
    assert faces.UNKNOWN not in range(len(faces.ETHNICITIES))


@pytest.mark.parametrize("name", [*NAMES[:20], "", "Zoë.jpg", "a name with spaces"])
def test_a_fold_is_the_stated_hash_of_the_name(name):
    # worked out in another way, so that another machine or version gets the same folds
    digest = hashlib.sha256(name.encode("utf-8")).hexdigest()
    assert faces.fold(name) == int(digest[:16], 16) % 10


def _shares_are_even(folds):
    counts = np.bincount(folds, minlength=faces.NUM_FOLDS)
    expected = len(folds) / faces.NUM_FOLDS
    return len(counts) == faces.NUM_FOLDS and np.abs(counts - expected).max() < 4 * np.sqrt(expected)


def test_folds_are_of_one_size():
    assert _shares_are_even([faces.fold(name) for name in NAMES])
    # the same measure sees folds that follow the age
    assert not _shares_are_even([int(name.partition("_")[0]) // 11 for name in NAMES])


def test_the_splits_share_out_all_folds():
    folds = [number for members in faces.SPLIT_FOLDS.values() for number in members]
    assert sorted(folds) == list(range(faces.NUM_FOLDS))
    assert list(faces.SPLIT_FOLDS["test"]) == [0, 1]  # 20 %
    assert list(faces.SPLIT_FOLDS["validation"]) == [2]


@pytest.mark.parametrize("number", range(10))
def test_the_split_is_the_one_that_holds_the_fold(number):
    with mock.patch.object(faces, "fold", return_value=number):
        assert number in faces.SPLIT_FOLDS[faces.split_of("any")]
