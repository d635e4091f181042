"""Batches: every face once, orders that follow from seed and epoch, the same pixels as scoring sees."""

import collections
import dataclasses
import itertools

import numpy as np
import pytest
import tensorflow as tf

from gender_tfds import images_cv, reading
from tests.conftest import FACES
from trainer.config import TrainConfig
from trainer.division import Division
from trainer.input_pipeline import (
    count_faces,
    make_eval_dataset,
    make_train_dataset,
    make_validation_dataset,
)


@pytest.fixture(scope="module")
def builder(data_dir):
    return reading.open_built("drawn_faces", str(data_dir))


def _train(builder, config, **options):
    counts = count_faces([builder], config.folds("train"))
    return make_train_dataset([builder], config, counts, options.pop("shown", counts), **options)


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


def test_validation_sees_the_very_pixels_of_scoring_and_training_differs_by_a_level_here_and_there(builder):
    """128 pixels to 75: areas begin within pixels, and TensorFlow's own average misses a little."""

    def pictures(split):
        encoded = (e["image"] for e in reading.read_encoded(builder, split).as_numpy_iterator())
        return {data.tobytes(): data for data in (images_cv.decode_and_resize(one, 75) for one in encoded)}

    config = TrainConfig(image_size=75, batch_size=16, epochs=1)
    (counts,) = count_faces([builder], config.folds("validation"))
    division = Division((sum(counts.values()),), config.batch_size)
    validation = np.concatenate([batch[0].numpy() for batch in make_validation_dataset([builder], config, division)])
    assert {image.tobytes() for image in validation} == set(pictures("validation"))
    training = np.concatenate([images.numpy() for images, _ in _train(builder, config)])
    scored = pictures("train")
    differing = [image for image in training if image.tobytes() not in scored]
    assert 0 < len(differing) < len(training)
    expected = np.stack(list(scored.values())).astype(int)
    assert all(np.abs(expected - image).max(axis=(1, 2, 3)).min() <= 1 for image in differing[:5])


@pytest.mark.parametrize("cache", ["memory", "off"])
def test_each_training_epoch_holds_every_face_once_in_a_new_order(builder, cache):
    number = builder.info.splits["train"].num_examples
    config = TrainConfig(image_size=32, batch_size=32, epochs=2, cache=cache)
    first, second = _epochs(_train(builder, config), -(-number // 32))
    assert len(_sums(first)) == number
    assert sorted(_sums(first)) == sorted(_sums(second))
    assert list(_sums(first)) != list(_sums(second))
    images, labels = first[0]
    assert (images.dtype, images.shape, labels.dtype, labels.shape) == (np.uint8, (32, 32, 32, 3), np.float32, (32, 2))


def test_a_resumed_epoch_has_the_order_of_the_uninterrupted_one_and_another_seed_another(builder):
    steps = -(-builder.info.splits["train"].num_examples // 32)
    config = TrainConfig(image_size=32, batch_size=32, epochs=3)
    last = _epochs(_train(builder, config), steps)[2]
    (resumed,) = _epochs(_train(builder, config, epochs=[2]), steps)
    assert list(_sums(resumed)) == list(_sums(last))
    other = TrainConfig(image_size=32, batch_size=32, epochs=1, seed=1)
    assert list(_sums(_epochs(_train(builder, other), steps)[0])) != list(_sums(last))


def test_the_cache_on_disk_is_used_again_and_what_a_killed_run_left_is_not(builder, tmp_path):
    config = TrainConfig(image_size=32, batch_size=32, epochs=1, cache="disk")
    (counts,) = count_faces([builder], config.folds("validation"))
    division = Division((sum(counts.values()),), config.batch_size)

    def labels():
        batches = make_validation_dataset([builder], config, division, cache_dir=str(tmp_path))
        return np.concatenate([y.numpy() for _, y in batches])

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
    (counts,) = count_faces([builder], TrainConfig().folds("train"))
    labels = [int(e["label"]) for e in reading.read_encoded(builder, "train").as_numpy_iterator()]
    assert counts == {"male": labels.count(0), "female": labels.count(1)}
    assert all(counts.values())


def _seen(dataset):
    """How often each picture comes, by its label."""
    seen = {0: collections.Counter(), 1: collections.Counter()}
    for images, targets in dataset:
        for image, label in zip(np.asarray(images), np.asarray(targets)[:, 0], strict=True):
            seen[int(label)][image.tobytes()] += 1
    return seen


def test_targets_are_label_and_age(builder):
    config = TrainConfig(image_size=32, batch_size=1000, epochs=1)
    ((_, targets),) = list(_train(builder, config))
    truth = [(int(e["label"]), int(e["age"])) for e in reading.read_encoded(builder, "train").as_numpy_iterator()]
    assert sorted(map(tuple, np.asarray(targets).astype(int).tolist())) == sorted(truth)
    assert len({label for label, _ in truth}) == 2


def test_the_rarer_class_is_shown_again_and_the_other_is_left_out_as_asked(builder):
    config = TrainConfig(image_size=32, batch_size=32, epochs=2)
    (counts,) = count_faces([builder], config.folds("train"))
    shown = [{"male": 2 * counts["male"] + 5, "female": counts["female"] // 2}]
    first, second = _epochs(_train(builder, config, shown=shown), -(-sum(shown[0].values()) // 32))
    seen, later = _seen(first), _seen(second)
    assert seen[0].total() == shown[0]["male"]
    assert set(seen[0].values()) == {2, 3}
    assert seen[1].total() == shown[0]["female"]
    assert set(seen[1].values()) == {1}
    assert set(seen[1]) != set(later[1]), "every epoch leaves out the same faces"
    # mixed, not one class after the other
    labels = np.concatenate([targets[:, 0] for _, targets in first])
    assert 0.2 < labels[: len(labels) // 2].mean() / labels.mean() < 1.8


PARTS = pytest.mark.parametrize("part", [0.25, 1.25])  # of a class's faces that an epoch shows


def _shown(counts, part):
    return [{gender: round(part * number) for gender, number in counts.items()}]


@PARTS
@pytest.mark.parametrize("cache", ["memory", "off"])
def test_faces_take_turns_however_small_the_buffer(builder, part, cache):
    config = TrainConfig(image_size=32, batch_size=1000, epochs=5, cache=cache, shuffle_buffer=10)
    (counts,) = count_faces([builder], config.folds("train"))
    (shown,) = _shown(counts, part)
    epochs = [_seen(epoch) for epoch in _epochs(_train(builder, config, shown=[shown]), 1)]
    for label, gender in enumerate(counts):
        over_all = sum((seen[label] for seen in epochs), collections.Counter())
        assert len(over_all) == counts[gender]
        assert max(over_all.values()) - min(over_all.values()) <= 1
        for seen in epochs:
            assert seen[label].total() == shown[gender]
            assert max(seen[label].values()) <= np.ceil(part)


@PARTS
def test_whose_turn_it_is_follows_from_seed_and_epoch(builder, part):
    config = TrainConfig(image_size=32, batch_size=1000, epochs=3)
    (counts,) = count_faces([builder], config.folds("train"))

    def sums(settings, **options):
        return [list(_sums(e)) for e in _epochs(_train(builder, settings, shown=_shown(counts, part), **options), 1)]

    whole = sums(config)
    assert sums(config) == whole
    assert sums(config, epochs=[1, 2]) == whole[1:]
    (other,) = sums(dataclasses.replace(config, epochs=1, seed=1))
    assert sorted(other) not in map(sorted, whole)


@PARTS
def test_a_cache_on_disk_is_whole_after_an_epoch_that_shows_a_part(builder, part, tmp_path):
    config = TrainConfig(image_size=32, batch_size=32, epochs=1, cache="disk", shuffle_buffer=10)
    (counts,) = count_faces([builder], config.folds("train"))
    for _ in _train(builder, config, shown=_shown(counts, part), cache_dir=str(tmp_path)):
        pass
    (folder,) = tmp_path.iterdir()
    assert (folder / "faces.index").is_file()


def test_several_data_sets_are_mixed_and_each_face_comes_once(builder):
    config = TrainConfig(image_size=32, batch_size=16, epochs=2, dataset="a,b")
    counts = count_faces([builder, builder], config.folds("train"))
    batches = list(make_train_dataset([builder, builder], config, counts, counts))
    number = builder.info.splits["train"].num_examples
    assert len(batches) == 2 * -(-2 * number // 16)
    seen = _seen(batches[: len(batches) // 2])
    assert set((seen[0] + seen[1]).values()) == {2}  # the same data set twice


def test_other_folds_can_be_trained_and_chosen_on(builder):
    config = TrainConfig(image_size=32, epochs=1, test_folds=("4", "5"), validation_folds=("0",))
    examples = [e for s in builder.info.splits for e in reading.read_encoded(builder, s).as_numpy_iterator()]
    assert sorted(config.folds("train")) == [1, 2, 3, 6, 7, 8, 9]
    wanted = collections.Counter(int(example["fold"]) for example in examples)
    (counts,) = count_faces([builder], config.folds("train"))
    assert sum(counts.values()) == sum(wanted[fold] for fold in config.folds("train"))
    assert sum(len(targets) for _, targets in _train(builder, config)) == sum(counts.values())
    validation = make_validation_dataset([builder], config, Division((wanted[0],), config.batch_size))
    assert sum(len(targets) for _, targets in validation) == wanted[0]
    assert validation.cardinality() == -(-wanted[0] // config.batch_size)
    judged = make_eval_dataset(builder, "test", 32, 64, config.folds("test")).as_numpy_iterator()
    assert {int(fold) for batch in judged for fold in batch["fold"]} == {4, 5}
