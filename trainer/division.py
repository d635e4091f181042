"""How an epoch's faces are divided into steps, and each step's faces among devices and processes."""

import dataclasses
import math

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Workers:
    """Who shares a training step.

    Attributes:
      devices: number of them, of all processes together; each takes the same number of faces of a step.
      processes: number of them.
      process: number of this one, from 0.
    """

    devices: int = 1
    processes: int = 1
    process: int = 0

    @property
    def share(self) -> tuple[int, int]:
        """Which part of the records this process reads, of how many: what `reading.read_folds` takes."""
        return self.process, self.processes


ALONE = Workers()


@dataclasses.dataclass(frozen=True)
class Division:
    """The steps of an epoch.

    Attributes:
      faces: of each process, how many an epoch has.
      batch_size: faces in a step of all processes together, a multiple of the number of devices.
      workers: who shares a step.
    """

    faces: tuple[int, ...]
    batch_size: int
    workers: Workers = ALONE

    @property
    def own_batch(self) -> int:
        """Faces of a step that are this process's."""
        return self.batch_size // self.workers.processes

    @property
    def steps(self) -> int:
        """Steps of an epoch, the same in every process."""
        return max(math.ceil(faces / self.own_batch) for faces in self.faces)

    def batched(self, examples: tf.data.Dataset) -> tf.data.Dataset:
        """Returns this process's batches of an epoch.

        A device alone gets them as they are, the last one smaller. Several devices need batches of one size: what is
        missing is filled up with faces of the same batch, or of the first ones where all of them are shown, whose
        weight is 0. The weight of the others is the number of places in the step divided by that of faces in it, over
        all processes; so the mean of the weighted losses over all places, which is what Keras takes, be it at once or
        device by device, is the mean over the faces.

        Args:
          examples: of (image, target), as many as `faces` says.

        Returns:
          A dataset of (images, targets), and with several devices (images, targets, weights), weights float32 (n,).
        """
        batches = examples.batch(self.own_batch, num_parallel_calls=tf.data.AUTOTUNE)
        if self.workers.devices == 1:
            return batches
        return batches.repeat().take(self.steps).enumerate().map(self._filled_up)

    def _filled_up(self, step: tf.Tensor, batch: tuple[tf.Tensor, ...]) -> tuple[tf.Tensor, ...]:
        faces = tf.constant(self.faces, tf.int64)
        counted = tf.clip_by_value(faces - step * self.own_batch, 0, self.own_batch)
        weight = self.batch_size / tf.reduce_sum(counted)
        places = tf.range(self.own_batch, dtype=tf.int64)
        weights = tf.where(places < counted[self.workers.process], tf.cast(weight, tf.float32), 0.0)
        there = places % tf.shape(batch[0], tf.int64)[0]
        return (*(tf.gather(part, there) for part in batch), weights)
