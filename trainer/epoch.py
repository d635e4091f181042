"""What an epoch shows and is judged on, counted once before a training, by all its processes together."""

import dataclasses
import logging
from collections.abc import Mapping, Sequence

import numpy as np

from gender_tfds import faces
from gender_tfds.user_error import UserError
from trainer import balance, input_pipeline, processes
from trainer.config import TrainConfig
from trainer.division import Division, Workers

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Epoch:
    """What an epoch shows and is judged on.

    Attributes:
      counts: of each data set, the training faces of each class that this process has.
      shown: the same, as often as an epoch shows them.
      shown_by_all: the same of all processes together.
      train: its steps.
      validation: the steps of its judgement.
    """

    counts: input_pipeline.Counts
    shown: input_pipeline.Counts
    shown_by_all: input_pipeline.Counts
    train: Division
    validation: Division

    @property
    def faces(self) -> int:
        """Training faces that all processes show."""
        return sum(self.train.faces)


def check_shown(config: TrainConfig, counts: input_pipeline.Counts) -> None:
    """Checks that an epoch has something to learn from.

    Args:
      config: the settings.
      counts: of each data set, the training faces of each class.

    Raises:
      UserError: faces of one class only, or weights by which a data set or a class is not shown.
    """
    if not _has_both(counts):
        raise UserError(f"the training faces of {config.dataset} are all of one class: nothing can be learnt")
    shown = balance.faces_per_epoch(config, counts)
    if not _has_both(shown) or not all(any(of_set.values()) for of_set in shown):
        numbers = "; ".join(f"{_words(of_set)} of {name}" for name, of_set in zip(config.datasets, shown, strict=True))
        raise UserError(
            f"--dataset_weights={','.join(config.dataset_weights)} with --balance={config.balance} would show {numbers}"
            " in an epoch, which must have a face of each class and of each data set; give larger weights"
        )


def count_epoch(builders: input_pipeline.Builders, config: TrainConfig, workers: Workers) -> Epoch:
    """Counts faces, and says what it found.

    Args:
      builders: of the data sets.
      config: the settings.
      workers: who shares a step.

    Raises:
      UserError: as `check_shown` does; or a process has faces of one class only, or none to validate on.
    """
    of_process, validation = (
        [_counts(row) for row in processes.gather(_numbers(builders, config.folds(split), workers))]
        for split in ("train", "validation")
    )
    counts = _added(of_process)
    for builder, of_set in zip(builders, counts, strict=True):
        log.info("Training faces of %s: %s.", builder.info.full_name, _words(of_set))
    check_shown(config, counts)
    have_both = [_has_both(own) and _has_both(balance.faces_per_epoch(config, own)) for own in of_process]
    if not all(have_both) or not all(_total(own) for own in validation):
        raise UserError(
            f"{config.dataset} has too few faces for {workers.processes} processes: each must have training faces of"
            " both classes and validation faces; take fewer"
        )
    shown_of = [balance.faces_per_epoch(config, own) for own in of_process]
    shown = _added(shown_of)
    if shown != counts:
        log.info("An epoch shows %s.", "; ".join(str(of_set) for of_set in shown))
    return Epoch(
        counts=of_process[workers.process],
        shown=shown_of[workers.process],
        shown_by_all=shown,
        train=Division(tuple(map(_total, shown_of)), config.batch_size, workers),
        validation=Division(tuple(map(_total, validation)), config.batch_size, workers),
    )


def _numbers(builders: input_pipeline.Builders, folds: Sequence[int], workers: Workers) -> np.ndarray:
    counts = input_pipeline.count_faces(builders, folds, workers.share)
    return np.array([[of_set[gender] for gender in faces.GENDERS] for of_set in counts], np.int32)


def _counts(numbers: np.ndarray) -> list[dict[str, int]]:
    return [dict(zip(faces.GENDERS, map(int, of_set), strict=True)) for of_set in numbers]


def _added(counts: Sequence[input_pipeline.Counts]) -> list[dict[str, int]]:
    return [
        {gender: sum(of_set[gender] for of_set in of_sets) for gender in faces.GENDERS}
        for of_sets in zip(*counts, strict=True)
    ]


def _words(of_set: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {gender}" for gender, number in of_set.items())


def _has_both(counts: input_pipeline.Counts) -> bool:
    return all(sum(of_set[gender] for of_set in counts) for gender in faces.GENDERS)


def _total(counts: input_pipeline.Counts) -> int:
    return sum(sum(of_set.values()) for of_set in counts)
