"""Optimizers, and the learning rate over a run."""

import math
from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from trainer.config import TrainConfig
from trainer.muon import Muon

_OPTIMIZERS = {
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "muon": Muon,
    "rmsprop": keras.optimizers.RMSprop,
    "sgd": keras.optimizers.SGD,
}
_STEPS = (0.5, 0.75)  # parts of the run after which the schedule `step` goes to a tenth
_PLATEAU_EPOCHS, _PLATEAU_FACTOR = 3, 0.2
_MOMENTUM = 0.9


@keras.saving.register_keras_serializable("gender-classifier")
class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """A linear rise from 0 to the peak, then one of `constant`, `cosine` (half a period, to 0) and `step`.

    Args:
      kind: of the above.
      peak: largest rate.
      warmup_steps: steps of the rise.
      total_steps: steps of the run.
    """

    def __init__(self, kind: str, peak: float, warmup_steps: int, total_steps: int) -> None:
        super().__init__()
        self.kind = kind
        self.peak = peak
        self.warmup_steps = warmup_steps
        self.total_steps = total_steps

    def __call__(self, step: Any) -> keras.KerasTensor:
        """Returns the rate of a step, counted from 0."""
        step = ops.cast(step, "float32")
        rise = ops.minimum((step + 1) / max(self.warmup_steps, 1), 1.0)
        if self.kind == "cosine":
            done = (step - self.warmup_steps) / max(self.total_steps - self.warmup_steps, 1)
            fall = 0.5 * (1 + ops.cos(math.pi * ops.clip(done, 0.0, 1.0)))
        elif self.kind == "step":
            fall = 1.0
            for part in _STEPS:
                fall = fall * ops.where(step >= part * self.total_steps, 0.1, 1.0)
        else:
            fall = 1.0
        return self.peak * rise * fall

    def get_config(self) -> dict[str, Any]:
        names = ("kind", "peak", "warmup_steps", "total_steps")
        return {name: getattr(self, name) for name in names}


def make_optimizer(
    config: TrainConfig, steps_per_epoch: int, epochs: int, rate: float, precision: str
) -> keras.Optimizer:
    """Returns the optimizer of a phase.

    Args:
      config: the settings.
      steps_per_epoch: steps of an epoch.
      epochs: of the phase.
      rate: peak of the learning rate.
      precision: dtype policy of the layers.
    """
    if config.schedule != "plateau":
        warmup_steps = round(config.warmup_epochs * steps_per_epoch)
        rate = Schedule(config.schedule, rate, warmup_steps, epochs * steps_per_epoch)
    options: dict[str, Any] = {"learning_rate": rate}
    if config.optimizer == "sgd":
        options |= {"momentum": _MOMENTUM, "nesterov": True}
    options["weight_decay"] = config.weight_decay or None
    if config.optimizer in ("adamw", "muon"):  # whose own default is 0.004
        options["weight_decay"] = config.weight_decay
    if config.optimizer == "muon":
        options["adam_weight_decay"] = config.weight_decay
    if config.clip_norm:
        options["global_clipnorm"] = config.clip_norm
    if config.ema:
        options |= {"use_ema": True, "ema_momentum": config.ema}
    optimizer = _OPTIMIZERS[config.optimizer](**options)
    if config.weight_decay:
        # decaying offsets and normalization helps nothing and slows learning
        optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    # Keras scales the loss by itself only where the fitted model, not just its layers, has the policy
    return keras.optimizers.LossScaleOptimizer(optimizer) if precision == "mixed_float16" else optimizer


def plateau_rate(peak: float, warmup_epochs: float, losses: Sequence[float]) -> float:
    """Returns the learning rate of the epoch after those with these validation losses, for the schedule `plateau`.

    It follows from the history alone, so a resumed run goes on with the right one. Within the warm-up it rises from
    epoch to epoch.

    >>> plateau_rate(1.0, 0, [0.5, 0.6, 0.6, 0.6])
    0.2
    """
    best, waited, factor = math.inf, 0, 1.0
    for loss in losses:
        waited = 0 if loss < best else waited + 1
        best = min(best, loss)
        if waited == _PLATEAU_EPOCHS:
            waited, factor = 0, factor * _PLATEAU_FACTOR
    return peak * factor * min(1.0, (len(losses) + 1) / (warmup_epochs + 1))
