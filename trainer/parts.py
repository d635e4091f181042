"""The parts of a cross-validation: which folds each is judged on."""

import dataclasses

from gender_tfds import faces
from gender_tfds.user_error import UserError
from trainer.config import TrainConfig

PARTS = tuple(number for number in range(2, faces.NUM_FOLDS + 1) if faces.NUM_FOLDS % number == 0)


def split_parts(config: TrainConfig, folds: int) -> list[TrainConfig]:
    """Returns the settings of each part: judged on its share of the ten folds, its best epoch chosen by the next fold.

    >>> [(part.test_folds, part.validation_folds) for part in split_parts(TrainConfig(), 5)][-1]
    (('8', '9'), ('0',))

    Raises:
      UserError: a number that is not in `PARTS`, or folds among the settings.
    """
    if folds not in PARTS:
        raise UserError(f"--folds={folds} does not divide the data's {faces.NUM_FOLDS} folds; give 2, 5 or 10")
    for name in ("test_folds", "validation_folds"):
        value = getattr(config, name)
        if value != getattr(TrainConfig, name):
            raise UserError(f"--{name}={','.join(value)} is for a single run: every part has its own; leave it out")
    share = faces.NUM_FOLDS // folds
    return [
        dataclasses.replace(
            config,
            test_folds=tuple(str(fold) for fold in range(first, first + share)),
            validation_folds=(str((first + share) % faces.NUM_FOLDS),),
        )
        for first in range(0, faces.NUM_FOLDS, share)
    ]
