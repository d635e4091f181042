"""Augmentation: asked for by settings, active in training only, in float32."""

import numpy as np
import pytest

from trainer.augmentation import AUGMENTATIONS, make_augmentation
from trainer.config import TrainConfig

OFF = {"flip": False, "rotation": 0.0}


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3)).astype(np.float32)


def test_every_option_is_a_setting_and_off_means_no_layer():
    assert set(AUGMENTATIONS) == set(OFF)
    assert make_augmentation(TrainConfig(**OFF)) == []
    assert len(make_augmentation(TrainConfig())) == len(AUGMENTATIONS)


@pytest.mark.parametrize("name", sorted(AUGMENTATIONS))
def test_a_layer_changes_pictures_in_training_only(name, images):
    (layer,) = make_augmentation(TrainConfig(**{**OFF, name: TrainConfig.__dataclass_fields__[name].default}))
    np.testing.assert_array_equal(layer(images, training=False), images)
    changed = np.asarray(layer(images, training=True))
    assert not np.array_equal(changed, images)
    assert changed.shape == images.shape
    assert changed.dtype == np.float32
    assert changed.min() >= 0
    assert changed.max() <= 255


def test_a_flip_mirrors_left_and_right(images):
    (layer,) = make_augmentation(TrainConfig(flip=True, rotation=0.0))
    changed = np.asarray(layer(images, training=True))
    flipped = [np.array_equal(a, b[:, ::-1]) for a, b in zip(changed, images, strict=True)]
    kept = [np.array_equal(a, b) for a, b in zip(changed, images, strict=True)]
    assert all(a != b for a, b in zip(flipped, kept, strict=True))
    assert any(flipped)
    assert any(kept)


def test_a_rotation_stays_within_its_degrees():
    # the angle of a bright radius, measured by its centre of mass
    image = np.zeros((1, 101, 101, 3), np.float32)
    image[0, 48:53, 60:90] = 255
    (layer,) = make_augmentation(TrainConfig(flip=False, rotation=20.0))
    angles = []
    for _ in range(60):
        turned = np.asarray(layer(image, training=True))[0, :, :, 0]
        y, x = np.indices(turned.shape)
        angles.append(np.degrees(np.arctan2((turned * (y - 50)).sum(), (turned * (x - 50)).sum())))
    assert np.abs(angles).max() <= 20.5
    assert np.abs(angles).max() > 12  # the largest of 60 draws from ±20°; less would be a rotation of another strength


def test_the_seed_decides(images):
    def augmented(seed):
        x = images
        for layer in make_augmentation(TrainConfig(seed=seed)):
            x = layer(x, training=True)
        return np.asarray(x)

    np.testing.assert_array_equal(augmented(0), augmented(0))
    assert not np.array_equal(augmented(0), augmented(1))
