"""What gender-tune varies and between which bounds; the settings of a trial, and settings as a preset."""

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.distributions import CategoricalDistribution as OneOf
from optuna.distributions import FloatDistribution as Between

from gender_tfds.user_error import UserError
from trainer.architectures import unused_settings
from trainer.config import OPTIMIZERS, TrainConfig

# setting -> its values; those that shape a model are searched where the architecture has them
SPACE: dict[str, BaseDistribution] = {
    "optimizer": OneOf(OPTIMIZERS),
    "learning_rate": Between(1e-4, 3e-2, log=True),
    "batch_size": OneOf((32, 64, 128, 256)),
    "weight_decay": Between(0.0, 0.1),
    "width": OneOf((16, 24, 32, 48, 64)),
    "depth": OneOf(("1,1,1", "2,2,2", "3,3,3", "1,1,1,1", "2,2,2,2")),
    "dropout": Between(0.0, 0.6),
    "dense_units": OneOf((64, 128, 256)),
    "rotation": Between(0.0, 30.0),
    "zoom": Between(0.0, 0.3),
    "translation": Between(0.0, 0.15),
    "crop": Between(0.0, 0.15),
    "brightness": Between(0.0, 0.3),
    "contrast": Between(0.0, 0.5),
    "saturation": Between(0.0, 0.5),
    "erasing": Between(0.0, 0.6),
    "mixup": Between(0.0, 0.4),
}


def make_space(config: TrainConfig, names: Iterable[str] = ()) -> dict[str, BaseDistribution]:
    """Returns what to search: rows of `SPACE`, widened so that the values of `config` lie within.

    Args:
      config: the starting point.
      names: of settings; all that the architecture has if empty.

    Raises:
      UserError: a name that can't be searched.
    """
    unused = unused_settings(config)
    possible = [name for name in SPACE if name not in unused]
    for name in names:
        if name not in possible:
            raise UserError(f"--search={name} can't be searched with these settings; give some of {','.join(possible)}")
    own = as_params(config, possible)
    return {name: _widened(SPACE[name], own[name]) for name in possible if not names or name in names}


def as_params(config: TrainConfig, names: Iterable[str]) -> dict[str, Any]:
    """Returns some settings as Optuna takes them: lists as text."""
    values = {name: getattr(config, name) for name in names}
    return {name: ",".join(value) if isinstance(value, tuple) else value for name, value in values.items()}


def as_config(base: TrainConfig, params: Mapping[str, Any]) -> TrainConfig:
    """Returns the settings of a trial.

    >>> as_config(TrainConfig(), {"depth": "1,2", "width": 16}).depth
    ('1', '2')
    """
    values: dict[str, Any] = {
        name: tuple(value.split(",")) if isinstance(getattr(base, name), tuple) else value
        for name, value in params.items()
    }
    return dataclasses.replace(base, **values)


def as_flags(config: TrainConfig) -> list[str]:
    """Returns a flag for each setting that is not at its default.

    >>> as_flags(TrainConfig(flip=False, depth=("2", "2")))
    ['--depth=2,2', '--noflip']
    """
    changed = [field.name for field in dataclasses.fields(config) if getattr(config, field.name) != field.default]
    values = as_params(config, changed)
    return [
        f"--{'' if value else 'no'}{name}" if isinstance(value, bool) else f"--{name}={value}"
        for name, value in values.items()
    ]


def _widened(values: Any, own: Any) -> BaseDistribution:
    if isinstance(values, OneOf):
        return values if own in values.choices else OneOf((*values.choices, own))
    return Between(min(values.low, own), max(values.high, own), log=values.log)
