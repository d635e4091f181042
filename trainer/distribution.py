"""Precision and compilation: chosen by device, and said so."""

import logging

import keras

from trainer.config import TrainConfig

log = logging.getLogger(__name__)


def device_kind() -> str:
    """Returns what Keras' backend computes on: `tpu`, `gpu` or `cpu`."""
    for kind in ("tpu", "gpu"):
        try:
            if keras.distribution.list_devices(kind):
                return kind
        except (RuntimeError, ValueError):  # JAX raises for a kind of device that it has no plug-in for
            continue
    return "cpu"


def choose_precision(config: TrainConfig, device: str) -> str:
    """Returns the dtype policy for the layers. See benchmarks/LOG.md for what was measured on CPUs."""
    if config.precision != "auto":
        return config.precision
    chosen = {"tpu": "mixed_bfloat16", "gpu": "mixed_float16", "cpu": "float32"}[device]
    log.info("Precision: %s, chosen for the %s.", chosen, device.upper())
    return chosen


def choose_jit(config: TrainConfig, device: str) -> bool:
    """Returns whether to compile the training step with XLA.

    On the TensorFlow backend's CPU it is 1.5 to 2.8 times slower. Elsewhere Keras' own rule decides: augmentation
    layers that can't be compiled turn it off.
    """
    if config.jit != "auto":
        return config.jit == "on"
    return device != "cpu" or keras.backend.backend() == "jax"
