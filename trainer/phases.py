"""The phases of a run: on pictures that grow, or with a base that is frozen first and then trained with the rest."""

import dataclasses

from trainer.config import TrainConfig

_STEP = 16  # sizes are multiples of it, so that every stage halves evenly
# Parts of the run on pictures of the start size and of the size between; the rest is on those of full size. An epoch of
# 64 × 64 pixels takes 0.44 times as long as one of 96 × 96.
_GROWTH = (0.4, 0.7)


@dataclasses.dataclass(frozen=True)
class Phase:
    """Epochs that one fitted model trains.

    Attributes:
      first: its first epoch, counted from 0.
      end: the epoch after its last.
      image_size: of its pictures.
      frozen: whether the base of a transfer model is left as it is.
      learning_rate: peak of its schedule.
      schedule: first and end of the epochs that its schedule, and so its optimizer, spans.
    """

    first: int
    end: int
    image_size: int
    frozen: bool
    learning_rate: float
    schedule: tuple[int, int]


def make_phases(config: TrainConfig) -> list[Phase]:
    """Returns the phases in their order."""
    whole = (0, config.epochs)
    if config.frozen_epochs:
        end = min(config.frozen_epochs, config.epochs)
        rate = config.learning_rate
        frozen = Phase(0, end, config.image_size, True, rate, (0, end))
        rest = Phase(end, config.epochs, config.image_size, False, rate * config.unfrozen_rate, (end, config.epochs))
        return [frozen, rest] if end < config.epochs else [frozen]
    if config.start_size in (0, config.image_size):
        return [Phase(*whole, config.image_size, False, config.learning_rate, whole)]
    between = round((config.start_size + config.image_size) / 2 / _STEP) * _STEP
    ends = [*(int(part * config.epochs) for part in _GROWTH), config.epochs]
    sizes = (config.start_size, between, config.image_size)
    return [
        Phase(first, end, size, False, config.learning_rate, whole)
        for first, end, size in zip([0, *ends], ends, sizes, strict=False)
        if first < end
    ]
