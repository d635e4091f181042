"""From sharded TFRecords to batches: one pipeline to train on, another to judge by."""

import dataclasses
import functools
import hashlib
import pathlib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import tensorflow as tf
import tensorflow_datasets as tfds

from gender_tfds import faces, reading
from gender_tfds.folder_lock import LOCK, keep_locked
from gender_tfds.images_tf import decode_and_resize
from gender_tfds.user_error import UserError
from trainer.config import TrainConfig
from trainer.data_service import read_by_service
from trainer.division import Division

Builders = Sequence[tfds.core.DatasetBuilder]
Counts = Sequence[Mapping[str, int]]  # of each data set, the faces of each of `faces.GENDERS`


def make_train_dataset(
    builders: Builders,
    config: TrainConfig,
    counts: Counts,
    shown: Counts,
    *,
    image_size: int | None = None,
    cache_dir: str | None = None,
    epochs: Iterable[int] | None = None,
    division: Division | None = None,
    data_service: str | None = None,
) -> tf.data.Dataset:
    """Returns the batches of the epochs, one after the other.

    An epoch's faces and their order follow from the seed and the epoch's number alone, so that a resumed run sees what
    an uninterrupted one would; but a data service gives them in no certain order. Unless `shown` says otherwise, each
    epoch holds every face once; its last batch may be smaller. Where it says otherwise the faces of a class take turns:
    over the epochs each is shown as often as the others of its data set, or once less.

    Args:
      builders: of the data sets.
      config: the settings.
      counts: of each data set, the training faces of each class, from `count_faces`.
      shown: the same, as often as an epoch shows them, from `balance.faces_per_epoch`.
      image_size: of the pictures, `config.image_size` if left out.
      cache_dir: for `config.cache == "disk"`.
      epochs: their numbers from 0, all if left out.
      division: into steps; where several processes share them, `counts` and `shown` are those of this one.
      data_service: address of the tf.data service that reads and decodes; None is this process.

    Returns:
      A dataset of (images, targets): uint8 (n, size, size, 3) in [0, 255] and float32 (n, 2), the columns
      `objective.TARGETS`; with several devices also the weights that `Division.batched` tells of.
    """
    size = image_size or config.image_size
    division = division or Division((sum(sum(of_set.values()) for of_set in shown),), config.batch_size)
    cells = []
    for builder, available, often in zip(builders, counts, shown, strict=True):
        examples = _examples(builder, config, "train", size, cache_dir, division.workers.share, data_service)
        if available == often:
            number = sum(available.values())
            cells.append(_Cell(examples, number, number, config.seed))
            continue
        for label, gender in enumerate(faces.GENDERS):
            if often[gender]:
                of_class = examples.filter(lambda _, target, label=label: tf.equal(target[0], label))
                cells.append(_Cell(of_class, available[gender], often[gender], config.seed))
    # One dataset an epoch, since a shuffle's seed can't be a tensor where a global seed is set.
    numbers = range(config.epochs) if epochs is None else epochs
    orders = (_epoch(cells, config, number) for number in numbers)
    parts = [division.batched(_decoded(order, size, exact=False)) for order in orders]
    return functools.reduce(lambda all_epochs, epoch: all_epochs.concatenate(epoch), parts).prefetch(tf.data.AUTOTUNE)


@dataclasses.dataclass(frozen=True)
class _Cell:
    """Faces that an epoch shows equally often: all of them so many times, and some of them once more.

    Attributes:
      examples: of (image, target), in the same order every time.
      faces: how many there are.
      shown: how many an epoch shows.
      seed: of the order in which they take turns.
    """

    examples: tf.data.Dataset
    faces: int
    shown: int
    seed: int

    @functools.cached_property  # one for all epochs: it takes 8 bytes a face
    def _turns(self) -> tf.data.Dataset:
        return tf.data.Dataset.from_tensor_slices(np.random.default_rng(self.seed).permutation(self.faces))

    def epoch(self, number: int, buffer: int, seed: int) -> tf.data.Dataset:
        """Returns the faces of an epoch. Every one of them is read, since a cache that is not filled is not kept."""
        times, more = divmod(self.shown, self.faces)
        first = number * more
        numbered = tf.data.Dataset.zip(self.examples, self._turns)
        drawn = numbered.filter(lambda _, turn: (turn - first) % self.faces < more).map(lambda face, _: face)
        if not times:
            return drawn
        whole = self.examples.shuffle(buffer, seed=seed, reshuffle_each_iteration=False).repeat(times)
        return whole.concatenate(drawn) if more else whole


def _epoch(cells: list[_Cell], config: TrainConfig, number: int) -> tf.data.Dataset:
    seed = config.seed * 1_000_003 + number
    if len(cells) == 1 and cells[0].shown == cells[0].faces:
        # the records were shuffled when they were built, so a buffer smaller than the data mixes well enough
        examples, buffer = cells[0].examples, config.shuffle_buffer
    else:
        # Cells that come one after the other are mixed by a buffer that holds them all; those that are cached in memory
        # are there anyway. (Drawing from several at a time fails in TensorFlow 2.21 where such datasets are
        # concatenated: "Incompatible shapes".)
        parts = [cell.epoch(number, config.shuffle_buffer, seed) for cell in cells]
        examples = functools.reduce(lambda some, more: some.concatenate(more), parts)
        buffer = sum(cell.shown for cell in cells)
    # every reading of an epoch has its one order: on several devices Keras reads the first batch twice
    return examples.shuffle(buffer, seed=seed, reshuffle_each_iteration=False)


def make_validation_dataset(
    builders: Builders,
    config: TrainConfig,
    division: Division,
    *,
    image_size: int | None = None,
    cache_dir: str | None = None,
) -> tf.data.Dataset:
    """Returns batches of the validation faces of all data sets, as `make_train_dataset` gives them, in order.

    Arguments as there; `division` is that of the validation faces.
    """
    size = image_size or config.image_size
    workers = division.workers
    parts = [_examples(builder, config, "validation", size, cache_dir, workers.share) for builder in builders]
    number = division.faces[workers.process]
    examples = functools.reduce(lambda some, more: some.concatenate(more), parts)
    # Keras warns after each pass over a dataset that does not know its length, and those of chosen folds don't
    known = examples.apply(tf.data.experimental.assert_cardinality(number))
    return division.batched(_decoded(known, size, exact=True)).prefetch(2)


def make_eval_dataset(
    builder: tfds.core.DatasetBuilder,
    split: str,
    image_size: int,
    batch_size: int,
    folds: Sequence[int] | None = None,
) -> tf.data.Dataset:
    """Returns batches of feature dicts, every face exactly once, the last partial batch included.

    `image` is uint8 (n, size, size, 3); the other features are as `gender_tfds.features.face_features` has them.

    Args:
      builder: of the data set.
      split: of it.
      image_size: of the pictures.
      batch_size: faces in a batch.
      folds: to take instead of the split's own.
    """
    encoded = reading.read_split_or_folds(builder, split, folds)
    decoded = encoded.map(
        lambda example: {**example, "image": decode_and_resize(example["image"], image_size)},
        num_parallel_calls=tf.data.AUTOTUNE,
    )
    return decoded.batch(batch_size).prefetch(2)


def count_faces(builders: Builders, folds: Sequence[int], share: tuple[int, int] = (0, 1)) -> list[dict[str, int]]:
    """Returns, for each data set, the number of faces of each class in some folds, in the order of `faces.GENDERS`.

    Args:
      builders: of the data sets.
      folds: of them.
      share: count only in this part of so many; such a part may be empty.

    Raises:
      UserError: a data set has no face in these folds, or labels that are no class.
    """
    counts = []
    for builder in builders:
        labels = reading.read_folds(builder, folds, share).map(lambda example: example["label"]).batch(4096)
        found = np.concatenate([np.zeros(0, int), *labels.as_numpy_iterator()]).astype(int)
        if not len(found) and share == (0, 1):
            raise UserError(f"the data set {builder.info.full_name} has no faces in the folds {list(folds)}")
        reading.check_labels(builder, found)
        numbers = np.bincount(found, minlength=len(faces.GENDERS))
        counts.append({gender: int(number) for gender, number in zip(faces.GENDERS, numbers, strict=True)})
    return counts


def _examples(
    builder: tfds.core.DatasetBuilder,
    config: TrainConfig,
    split: str,
    image_size: int,
    cache_dir: str | None,
    share: tuple[int, int],
    data_service: str | None = None,
) -> tf.data.Dataset:
    """Returns (image, target) of one data set, kept as the settings say; without a cache the images are encoded."""
    folds = config.folds(split)
    examples = reading.read_folds(builder, folds, share, counted=data_service is None).map(_pair)
    if config.cache == "off" and not data_service:
        return examples  # decoded after they are shuffled, of which they take a fifth of the memory
    examples = _decoded(examples, image_size, exact=split != "train")
    if data_service:
        examples = read_by_service(examples, data_service)
    if config.cache == "off":
        return examples
    if config.cache == "memory" or not cache_dir:
        return examples.cache()
    key = f"{reading.fingerprint(builder)['sha256']} {folds} {image_size}{'' if share == (0, 1) else share}"
    folder = pathlib.Path(cache_dir).expanduser() / hashlib.sha256(key.encode()).hexdigest()[:16]
    if not (folder / "faces.index").exists():
        keep_locked(folder, "--cache_dir")
        # what a killed run left: its lock file would stop every later one
        for path in set(folder.iterdir()) - {folder / LOCK}:
            path.unlink()
    return examples.cache(str(folder / "faces"))


def _decoded(examples: tf.data.Dataset, image_size: int, *, exact: bool) -> tf.data.Dataset:
    """Returns (image, target) with pixels, `exact` as scoring sees them; `examples` may have them already."""
    if examples.element_spec[0].dtype != tf.string:
        return examples
    return examples.map(
        lambda image, target: (decode_and_resize(image, image_size, exact=exact), target),
        num_parallel_calls=tf.data.AUTOTUNE,
    )


def _pair(example: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
    return example["image"], tf.stack([tf.cast(example["label"], tf.float32), tf.cast(example["age"], tf.float32)])
