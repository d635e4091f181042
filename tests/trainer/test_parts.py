"""Every fold is judged on once, by a part that neither learnt from it nor chose its epoch by it."""

import pytest

from gender_tfds import faces
from gender_tfds.user_error import UserError
from trainer.config import TrainConfig
from trainer.parts import PARTS, split_parts

CONFIG = TrainConfig(epochs=1)


@pytest.mark.parametrize("folds", PARTS)
def test_the_parts_share_out_the_folds(folds):
    parts = split_parts(CONFIG, folds)
    assert [fold for part in parts for fold in part.folds("test")] == list(range(faces.NUM_FOLDS))
    for part in parts:
        used = [fold for split in faces.SPLIT_FOLDS for fold in part.folds(split)]
        assert sorted(used) == list(range(faces.NUM_FOLDS))
        assert part.checked(None) == part
    assert split_parts(CONFIG, 5)[0] == CONFIG


@pytest.mark.parametrize("folds", sorted(set(range(1, 12)) - set(PARTS)))
def test_other_numbers_of_parts_are_one_sentence(folds):
    with pytest.raises(UserError, match=f"--folds={folds} does not divide"):
        split_parts(CONFIG, folds)
