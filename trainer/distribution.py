"""Precision, compilation and devices: chosen by what is there, and said so.

oneDNN's convolutions are chosen before TensorFlow is imported, in `gender_tfds.keras_backend`.
Left as TensorFlow and Keras have them, by measurement on two cores (`benchmarks/execution.py`, the way taken = 1): one
step an execution (eight: 1.00), and threads by the number of processors (one an operation 0.93, one operation at a time
0.91, twice as many 0.95).
"""

import contextlib
import logging
from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf

from gender_tfds.user_error import UserError
from trainer import processes
from trainer.config import TrainConfig
from trainer.division import ALONE, Division, Workers

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
    """Returns the dtype policy for the layers. On a CPU without its arithmetic bfloat16 takes eight times as long."""
    if config.precision != "auto":
        return config.precision
    chosen = {"tpu": "mixed_bfloat16", "gpu": "mixed_float16", "cpu": "float32"}[device]
    log.info("Precision: %s, chosen for the %s.", chosen, device.upper())
    return chosen


def choose_jit(config: TrainConfig, device: str, workers: Workers = ALONE) -> bool:
    """Returns whether to compile the training step with XLA.

    On the TensorFlow backend's CPU it is 1.5 to 2.8 times slower; on several devices there it fails, since one's part
    of the step would touch the weights of the others. Elsewhere Keras' own rule decides: augmentation layers that can't
    be compiled turn it off.

    Raises:
      UserError: `--jit=on` where it fails.
    """
    if keras.backend.backend() == "tensorflow" and workers.devices > 1:
        if config.jit == "on":
            raise UserError(
                f"--jit=on works on one device with TensorFlow, not on {workers.devices}; leave it out, or set"
                " KERAS_BACKEND=jax"
            )
        return False
    if config.jit != "auto":
        return config.jit == "on"
    return device != "cpu" or keras.backend.backend() == "jax"


def leave_accelerators_to_jax() -> None:
    """Keeps TensorFlow, which only reads the data then, from taking the memory of GPUs that JAX trains on."""
    if keras.backend.backend() == "jax":
        tf.config.set_visible_devices([], "GPU")


def choose_workers(config: TrainConfig) -> Workers:
    """Returns the devices and processes that share each training step.

    Raises:
      UserError: `--distribution` asks for what is not there, or the batch can't be divided.
    """
    number, of_process = processes.count(), processes.index()
    devices = len(keras.distribution.list_devices(device_kind()))  # those of all processes
    if config.distribution == "off":
        if number > 1:
            raise UserError(f"--distribution=off trains on one device, and there are {number} processes; leave it out")
        return ALONE
    if config.distribution == "on" and devices == 1:
        raise UserError(
            "--distribution=on needs several devices, and there is one; take --distribution=auto, or see the README for"
            " virtual ones"
        )
    if number == 1 and (devices == 1 or (config.distribution == "auto" and device_kind() == "cpu")):
        return ALONE
    if config.batch_size % devices:
        raise UserError(
            f"--batch_size={config.batch_size} can't be shared by {devices} devices; give a multiple of {devices}"
        )
    return Workers(devices, number, of_process)


@contextlib.contextmanager
def shared_by(workers: Workers) -> Iterator[None]:
    """Lets the models that are made inside be trained on several devices, which hold all their weights each.

    A step is that of one device with the same batch: gradients are summed, and `trainer.division` sees to it that an
    incomplete batch weighs what it does on one. What else looks at more than one face:

    - Batch normalization. On JAX its statistics are those of the whole batch, with the faces that fill the last one up;
      on TensorFlow those of the device's part, as is usual, and the moving ones are the mean over the devices.
    - Mixup and its targets. On JAX a face's partner may be on another device; on TensorFlow it is one of the same.
    - Random numbers of augmentation and dropout. On JAX those of one device; on TensorFlow every device draws the same
      ones for its part.

    So without batch normalization and mixup the loss is that of one device but for rounding; on TensorFlow without
    augmentation and dropout, too.

    Args:
      workers: of `choose_workers`.
    """
    if workers.devices == 1:
        yield
        return
    kind = device_kind()
    log.info("Each step is shared by %d devices (%s) of %d processes.", workers.devices, kind, workers.processes)
    devices = keras.distribution.list_devices(kind)
    if keras.backend.backend() == "jax":
        scope = keras.distribution.DataParallel(devices=devices, auto_shard_dataset=False).scope()
    else:
        scope = tf.distribute.MirroredStrategy([f"/{device.upper()}" for device in devices]).scope()
    with scope:
        yield


def build_metrics(model: keras.Model, division: Division) -> None:
    """Builds what Keras would else build on JAX from a first batch that it reads, to begin anew then.

    That batch would be read for nothing, and a half-written cache on disk would be in the way.

    Args:
      model: the compiled model.
      division: of the faces that it will be trained on.
    """
    if keras.backend.backend() == "jax":
        several, faces = division.workers.devices > 1, division.own_batch
        images, targets = np.zeros((faces, *model.input_shape[1:]), np.uint8), np.zeros((faces, 2), np.float32)
        model.test_on_batch(images, targets, np.ones(faces, np.float32) if several else None)
