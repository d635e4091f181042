"""From sharded TFRecords to batches: one pipeline to train on, another to judge by."""

import collections
import functools
import hashlib
import pathlib

import tensorflow as tf
import tensorflow_datasets as tfds

from gender_tfds import faces, reading
from gender_tfds.images_tf import decode_and_resize
from trainer.config import TrainConfig


def make_train_dataset(
    builder: tfds.core.DatasetBuilder, config: TrainConfig, *, cache_dir: str | None = None, initial_epoch: int = 0
) -> tf.data.Dataset:
    """Returns the batches of all epochs from `initial_epoch` on, one after the other.

    An epoch's order follows from the seed and the epoch's number alone, so that a resumed run sees what an
    uninterrupted one would. Each epoch holds every face once; its last batch may be smaller.

    Returns:
      A dataset of (images, labels): uint8 (n, size, size, 3) in [0, 255] and float32 (n, 1), 1 for female.
    """
    examples = _cached(_decoded(builder, "train", config.image_size).map(_pair), builder, "train", config, cache_dir)

    # One dataset an epoch, since a shuffle's seed can't be a tensor where a global seed is set. The records were
    # shuffled when they were built, so a buffer smaller than the data mixes well enough.
    epochs = [
        examples.shuffle(config.shuffle_buffer, seed=config.seed * 1_000_003 + number).batch(
            config.batch_size, num_parallel_calls=tf.data.AUTOTUNE
        )
        for number in range(initial_epoch, config.epochs)
    ]
    return functools.reduce(lambda all_epochs, epoch: all_epochs.concatenate(epoch), epochs).prefetch(tf.data.AUTOTUNE)


def make_validation_dataset(
    builder: tfds.core.DatasetBuilder, config: TrainConfig, *, cache_dir: str | None = None
) -> tf.data.Dataset:
    """Returns batches of (images, labels) of the split `validation`, as `make_train_dataset` gives them, in order."""
    examples = _decoded(builder, "validation", config.image_size).map(_pair)
    return _cached(examples, builder, "validation", config, cache_dir).batch(config.batch_size).prefetch(2)


def make_eval_dataset(
    builder: tfds.core.DatasetBuilder, split: str, image_size: int, batch_size: int
) -> tf.data.Dataset:
    """Returns batches of feature dicts, every face of the split exactly once, the last partial batch included.

    `image` is uint8 (n, size, size, 3); the other features are as `gender_tfds.features.face_features` has them.
    """
    return _decoded(builder, split, image_size).batch(batch_size).prefetch(2)


def count_labels(builder: tfds.core.DatasetBuilder, split: str) -> dict[str, int]:
    """Returns the number of faces of each class in a split, in the order of `faces.GENDERS`."""
    labels = reading.read_encoded(builder, split).map(lambda example: example["label"]).batch(4096)
    counts = collections.Counter(int(label) for batch in labels.as_numpy_iterator() for label in batch)
    return {gender: counts[number] for number, gender in enumerate(faces.GENDERS)}


def _decoded(builder: tfds.core.DatasetBuilder, split: str, image_size: int) -> tf.data.Dataset:
    return reading.read_encoded(builder, split).map(
        lambda example: {**example, "image": decode_and_resize(example["image"], image_size)},
        num_parallel_calls=tf.data.AUTOTUNE,
    )


def _pair(example: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
    return example["image"], tf.cast(example["label"], tf.float32)[tf.newaxis]


def _cached(
    examples: tf.data.Dataset,
    builder: tfds.core.DatasetBuilder,
    split: str,
    config: TrainConfig,
    cache_dir: str | None,
) -> tf.data.Dataset:
    if config.cache == "off":
        return examples
    if config.cache == "memory":
        return examples.cache()
    key = f"{reading.fingerprint(builder)['sha256']} {split} {config.image_size}"
    folder = pathlib.Path(cache_dir).expanduser() / hashlib.sha256(key.encode()).hexdigest()[:16]
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "faces.index").exists():
        # what a killed run left: its lock file would stop every later one
        for path in folder.iterdir():
            path.unlink()
    return examples.cache(str(folder / "faces"))
