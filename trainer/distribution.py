"""Precision, compilation and devices: chosen by what is there, and said so."""

import logging

import keras
import numpy as np
import tensorflow as tf

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


def leave_accelerators_to_jax() -> None:
    """Keeps TensorFlow, which only reads the data then, from taking the memory of GPUs that JAX trains on."""
    if keras.backend.backend() == "jax":
        tf.config.set_visible_devices([], "GPU")


def build_metrics(model: keras.Model, faces: int) -> None:
    """Builds what Keras would else build in `fit` from a first batch that it reads, and then reads again.

    Reading anew would give the first epoch another order, and a half-written cache on disk would be in the way.

    Args:
      model: the compiled model.
      faces: in a step.
    """
    if keras.backend.backend() == "jax":
        images, targets = np.zeros((faces, *model.input_shape[1:]), np.uint8), np.zeros((faces, 2), np.float32)
        model.test_on_batch(images, targets)
