"""Every face once an epoch, batches of one size where they are shared, and the mean of one device."""

import numpy as np
import pytest
import tensorflow as tf

from trainer.division import Division, Workers


def _batches(division, own):
    """Returns this process's batches of faces whose picture and target are their number."""
    numbers = tf.data.Dataset.from_tensor_slices(np.array(own, np.float32))
    return list(division.batched(numbers.map(lambda number: (number, number))).as_numpy_iterator())


def test_one_device_gets_the_batches_as_they_are():
    assert [list(images) for images, _ in _batches(Division((5,), 2), range(5))] == [[0, 1], [2, 3], [4]]


def test_several_devices_get_batches_of_one_size_and_the_mean_of_one():
    batches = _batches(Division((10,), 4, Workers(devices=2)), range(10))
    assert [list(images) for images, _, _ in batches] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 8, 9]]
    assert [list(weights) for _, _, weights in batches] == [[1] * 4, [1] * 4, [2, 2, 0, 0]]
    for images, targets, weights in batches:
        np.testing.assert_array_equal(images, targets)
        assert np.mean(targets * weights) == np.unique(targets).mean()
    one_more = _batches(Division((9,), 4, Workers(devices=2)), range(9))[-1]
    # without the weights the mean would be another
    assert np.mean(one_more[1] * one_more[2]) == 8
    assert list(one_more[2]) == [4, 0, 0, 0]


@pytest.mark.parametrize("faces", [(5, 5), (6, 5), (7, 2), (1, 7)])
def test_processes_do_the_same_steps_and_show_every_face_once(faces):
    owns = [100 * process + np.arange(number) for process, number in enumerate(faces)]
    divisions = [Division(faces, 4, Workers(2, len(faces), process)) for process in range(len(faces))]
    steps = [_batches(division, own) for division, own in zip(divisions, owns, strict=True)]
    assert {len(batches) for batches in steps} == {divisions[0].steps} == {-(-max(faces) // 2)}
    shown = [
        *(int(image) for batches in steps for images, _, weights in batches for image in images[weights > 0]),
    ]
    assert sorted(shown) == sorted(np.concatenate(owns))
    for step in zip(*steps, strict=True):
        targets, weights = (np.concatenate([batch[part] for batch in step]) for part in (1, 2))
        assert len(targets) == 4
        assert np.mean(targets * weights) == pytest.approx(targets[weights > 0].mean())
