"""Batches: every face once, orders that follow from seed and epoch, the same pixels as scoring sees."""

import collections
import itertools

import numpy as np
import pytest
import tensorflow as tf

from gender_tfds import images_cv, reading
from tests.conftest import FACES
from trainer.config import TrainConfig
from trainer.input_pipeline import (
    count_labels,
    make_eval_dataset,
    make_train_dataset,
    make_validation_dataset,
)


@pytest.fixture(scope="module")
def builder(data_dir):
    return reading.open_built("drawn_faces", str(data_dir))


def _names(builder, split):
    return [e["filename"] for e in reading.read_encoded(builder, split).as_numpy_iterator()]


def _epochs(dataset, steps):
    batches = [(images.numpy(), labels.numpy()) for images, labels in dataset]
    assert len(batches) % steps == 0
    return [batches[start : start + steps] for start in range(0, len(batches), steps)]


def _sums(epoch):
    """A fingerprint of each picture, in the order they come."""
    return np.concatenate([images.astype(np.int64).sum(axis=(1, 2, 3)) for images, _ in epoch])


def test_evaluation_sees_every_face_exactly_once_the_last_partial_batch_included(builder):
    number = builder.info.splits["test"].num_examples
    assert number % 7, "choose another batch size: this one leaves no partial batch"
    batches = list(make_eval_dataset(builder, "test", 32, 7).as_numpy_iterator())
    seen = collections.Counter(name for batch in batches for name in batch["filename"])
    assert seen == collections.Counter(_names(builder, "test"))
    assert set(seen.values()) == {1}
    assert len(batches[-1]["filename"]) == number % 7
    # what this test would say of a pipeline that drops the last batch, as training pipelines often do
    dropping = make_eval_dataset(builder, "test", 32, 7).take(number // 7).as_numpy_iterator()
    assert collections.Counter(name for batch in dropping for name in batch["filename"]) != seen


def test_all_splits_together_hold_every_face_of_the_data_set(builder):
    names = itertools.chain.from_iterable(_names(builder, split) for split in builder.info.splits)
    assert len(set(names)) == FACES


def test_pictures_are_those_that_scoring_decodes(builder):
    encoded = [e["image"] for e in reading.read_encoded(builder, "test").take(5).as_numpy_iterator()]
    batch = next(make_eval_dataset(builder, "test", 64, 5).as_numpy_iterator())
    expected = np.stack([images_cv.decode_and_resize(data, 64) for data in encoded])
    np.testing.assert_allclose(batch["image"].astype(int), expected, atol=1)
    assert np.abs(batch["image"].astype(int) - expected[..., ::-1]).max() > 1  # another order of channels is noticed


@pytest.mark.parametrize("cache", ["memory", "off"])
def test_each_training_epoch_holds_every_face_once_in_a_new_order(builder, cache):
    number = builder.info.splits["train"].num_examples
    config = TrainConfig(image_size=32, batch_size=32, epochs=2, cache=cache)
    first, second = _epochs(make_train_dataset(builder, config), -(-number // 32))
    assert len(_sums(first)) == number
    assert sorted(_sums(first)) == sorted(_sums(second))
    assert list(_sums(first)) != list(_sums(second))
    images, labels = first[0]
    assert (images.dtype, images.shape, labels.dtype, labels.shape) == (np.uint8, (32, 32, 32, 3), np.float32, (32, 1))


def test_a_resumed_epoch_has_the_order_of_the_uninterrupted_one_and_another_seed_another(builder):
    steps = -(-builder.info.splits["train"].num_examples // 32)
    config = TrainConfig(image_size=32, batch_size=32, epochs=3)
    last = _epochs(make_train_dataset(builder, config), steps)[2]
    (resumed,) = _epochs(make_train_dataset(builder, config, initial_epoch=2), steps)
    assert list(_sums(resumed)) == list(_sums(last))
    other = TrainConfig(image_size=32, batch_size=32, epochs=1, seed=1)
    assert list(_sums(_epochs(make_train_dataset(builder, other), steps)[0])) != list(_sums(last))


def test_the_cache_on_disk_is_used_again_and_what_a_killed_run_left_is_not(builder, tmp_path):
    config = TrainConfig(image_size=32, batch_size=32, epochs=1, cache="disk")

    def labels():
        return np.concatenate([y.numpy() for _, y in make_validation_dataset(builder, config, cache_dir=str(tmp_path))])

    first = labels()
    (folder,) = tmp_path.iterdir()
    assert (folder / "faces.index").is_file()
    np.testing.assert_array_equal(labels(), first)
    # a run that was killed while it filled the cache leaves a lock and no index
    (folder / "faces.index").unlink()
    (folder / "faces_0.lockfile").write_text("left")
    np.testing.assert_array_equal(labels(), first)
    assert (folder / "faces.index").is_file()


def test_a_lock_left_in_the_cache_would_stop_a_run_without_the_cleaning(builder, tmp_path):
    (tmp_path / "faces_0.lockfile").write_text("left")
    with pytest.raises(tf.errors.AlreadyExistsError):
        list(tf.data.Dataset.range(3).cache(str(tmp_path / "faces")))


def test_classes_are_counted(builder):
    counts = count_labels(builder, "train")
    labels = [int(e["label"]) for e in reading.read_encoded(builder, "train").as_numpy_iterator()]
    assert counts == {"male": labels.count(0), "female": labels.count(1)}
    assert all(counts.values())
