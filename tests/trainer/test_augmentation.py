"""Augmentation: asked for by settings, active in training only, in float32, distributed as Keras' own layers are."""

import keras
import numpy as np
import pytest
import scipy.ndimage
import scipy.stats

from trainer.augmentation import AUGMENTATIONS, RandomColour, RandomWarp, make_augmentation
from trainer.config import TrainConfig

OFF = {"flip": False, "rotation": 0.0}
# a strength at which a change is seen
STRENGTHS = {
    "flip": True,
    "rotation": 20.0,
    "zoom": 0.2,
    "shear": 10.0,
    "translation": 0.1,
    "crop": 0.1,
    "brightness": 0.2,
    "contrast": 0.3,
    "saturation": 0.5,
    "blur": 1.0,
    "erasing": 1.0,
}


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (8, 32, 32, 3)).astype(np.float32)


def _augment(images, seed=0, **settings):
    model = make_augmentation(TrainConfig(**{**OFF, **settings}, seed=seed), images.shape[1])
    return tuple(np.asarray(output) for output in model(images, training=True))


def test_every_option_is_a_setting_and_off_means_no_layer(images):
    assert set(AUGMENTATIONS) == set(STRENGTHS)
    nothing = make_augmentation(TrainConfig(**OFF), 32)
    assert [type(layer).__name__ for layer in nothing.layers] == ["InputLayer", "Mixup"]
    np.testing.assert_array_equal(nothing(images, training=True)[0], images)
    everything = make_augmentation(TrainConfig(**STRENGTHS), 32)
    assert {type(layer) for layer in everything.layers} >= set(AUGMENTATIONS.values())


@pytest.mark.parametrize("name", sorted(STRENGTHS))
def test_a_change_is_made_in_training_only_and_stays_in_range(name, images):
    model = make_augmentation(TrainConfig(**{**OFF, name: STRENGTHS[name]}), 32)
    kept, share = model(images, training=False)
    np.testing.assert_array_equal(kept, images)
    np.testing.assert_array_equal(share, np.ones((8, 1)))
    changed = np.asarray(model(images, training=True)[0])
    assert not np.array_equal(changed, images)
    assert changed.shape == images.shape
    assert changed.dtype == np.float32
    assert changed.min() >= 0
    assert changed.max() <= 255


def test_the_layers_keep_float32_whatever_the_models_policy(images):
    keras.config.set_dtype_policy("mixed_float16")
    try:
        assert {array.dtype for array in _augment(images, mixup=0.2, rotation=20.0)} == {np.dtype("float32")}
    finally:
        keras.config.set_dtype_policy("float32")


def test_a_flip_mirrors_left_and_right(images):
    changed, _ = _augment(images, flip=True)
    flipped = [np.allclose(a, b[:, ::-1], atol=1e-2) for a, b in zip(changed, images, strict=True)]
    kept = [np.allclose(a, b, atol=1e-2) for a, b in zip(changed, images, strict=True)]
    assert all(a != b for a, b in zip(flipped, kept, strict=True))
    assert any(flipped)
    assert any(kept)


def _spot(x, y, side=61, n=400):
    """Pictures of a bright spot at a distance from the centre, to see where a warp puts it."""
    image = np.zeros((1, side, side, 3), np.float32)
    image[0, side // 2 + y - 1 : side // 2 + y + 2, side // 2 + x - 1 : side // 2 + x + 2] = 255
    return np.repeat(image, n, axis=0)


def _places(pictures):
    """The spot's place from the centre of each picture, (n, 2): x and y."""
    centre = pictures.shape[1] // 2
    weights = np.asarray(pictures)[..., 0]
    y, x = np.indices(weights.shape[1:]) - centre
    total = weights.sum(axis=(1, 2))
    return np.stack([(weights * x).sum(axis=(1, 2)) / total, (weights * y).sum(axis=(1, 2)) / total], axis=1)


def _angle(places):
    return np.degrees(np.arctan2(places[:, 1], places[:, 0]))


def _length(places):
    return np.hypot(*places.T)


def _across(places):
    return places[:, 0]


def _down(places):
    return places[:, 1]


KERAS = {
    "rotation": (lambda: keras.layers.RandomRotation(20 / 360, fill_mode="nearest", seed=1), _angle),
    "zoom": (lambda: keras.layers.RandomZoom(0.2, fill_mode="nearest", seed=1), _length),
    "translation": (lambda: keras.layers.RandomTranslation(0.1, 0.1, fill_mode="nearest", seed=1), _down),
    "flip": (lambda: keras.layers.RandomFlip("horizontal", seed=1), _across),
}


@pytest.mark.parametrize("name", sorted(KERAS))
def test_the_one_warp_is_distributed_as_keras_own_layer(name):
    make_layer, measure = KERAS[name]
    spot = _spot(14, 0)
    theirs = measure(_places(make_layer()(spot, training=True)))
    ours = measure(_places(_augment(spot, **{name: STRENGTHS[name]})[0]))
    assert scipy.stats.ks_2samp(ours, theirs).pvalue > 0.01
    # and the test sees a strength that is another: by a third less, or always the same side
    weaker = {"flip": False} if name == "flip" else {name: STRENGTHS[name] * 0.66}
    assert scipy.stats.ks_2samp(measure(_places(_augment(spot, **weaker)[0])), theirs).pvalue < 0.01


@pytest.mark.parametrize("name", ["brightness", "contrast"])
def test_colours_are_distributed_as_keras_own_layers(name):
    images = np.full((400, 8, 8, 3), 100, np.float32)
    images[:, :4] = 140
    layer = {
        "brightness": keras.layers.RandomBrightness(STRENGTHS["brightness"], seed=1),
        # Keras 3.15 takes one number for the upper side alone
        "contrast": keras.layers.RandomContrast((STRENGTHS["contrast"],) * 2, seed=1),
    }[name]
    theirs = np.asarray(layer(images, training=True))
    measure = {"brightness": lambda p: p.mean(axis=(1, 2, 3)), "contrast": lambda p: p.std(axis=(1, 2, 3))}[name]
    ours = _augment(images, **{name: STRENGTHS[name]})[0]
    assert scipy.stats.ks_2samp(measure(ours), measure(theirs)).pvalue > 0.01
    weaker = _augment(images, **{name: STRENGTHS[name] * 0.66})[0]
    assert scipy.stats.ks_2samp(measure(weaker), measure(theirs)).pvalue < 0.01


def test_one_warp_of_all_is_the_product_of_its_parts():
    """Against NumPy: the centre maps to itself without shifts, areas grow by the square of the scale."""
    config = TrainConfig(flip=True, rotation=30.0, zoom=0.3, shear=15.0)
    matrices = np.asarray(RandomWarp(config, 3)._matrices(500, 41, 41)).reshape(500, 8)
    linear = matrices[:, [0, 1, 3, 4]].reshape(500, 2, 2)
    centre = np.full(2, 20.0)
    np.testing.assert_allclose(linear @ centre + matrices[:, [2, 5]], np.broadcast_to(centre, (500, 2)), atol=1e-3)
    scales = np.sqrt(np.abs(np.linalg.det(linear)))
    assert 0.7 <= scales.min() < 0.75
    assert 1.25 < scales.max() <= 1.3
    assert set(np.sign(np.linalg.det(linear))) == {-1.0, 1.0}  # mirrored and not


def test_shear_moves_rows_against_each_other_within_its_degrees():
    places = _places(_augment(_spot(0, 15), shear=10.0)[0])
    slants = np.degrees(np.arctan2(places[:, 0], 15))
    assert np.abs(places[:, 1] - 15).max() < 0.2  # rows stay rows
    assert np.abs(slants).max() <= 10.5
    assert np.abs(slants).max() > 9


def test_crop_jitter_moves_each_side_by_itself():
    left, right = _places(_augment(_spot(-15, 0), crop=0.1)[0]), _places(_augment(_spot(15, 0), crop=0.1)[0])
    assert np.std(left[:, 0]) > 1
    assert np.std(left[:, 1]) > 1  # also up and down
    assert np.std(right[:, 0] - left[:, 0]) > 1  # the width changes, which a shift alone would not do


def test_grey_pictures_have_no_saturation_to_change_and_coloured_ones_do(images):
    grey = np.repeat(images[..., :1], 3, axis=3)
    np.testing.assert_allclose(_augment(grey, saturation=0.5)[0], grey, atol=1e-3)
    changed, _ = _augment(images, saturation=0.5)
    np.testing.assert_allclose(changed.mean(), images.mean(), atol=2)
    assert np.abs(changed - images).max() > 5


def test_blur_at_full_strength_reaches_the_mean_of_nine(images):
    layer = RandomColour(TrainConfig(blur=1.0), 0)
    layer._uniform = lambda shape, low, high: keras.ops.full(shape, high)
    expected = scipy.ndimage.uniform_filter(images, (1, 3, 3, 1), mode="reflect")
    np.testing.assert_allclose(layer.change(images), expected, atol=1e-2)
    assert np.abs(expected - images).max() > 50


def test_erasing_covers_a_rectangle_of_some_pictures():
    white = np.full((300, 40, 40, 3), 255, np.float32)
    changed, _ = _augment(white, erasing=0.3)
    erased = (changed == 128).all(axis=3)
    assert 0.2 < erased.any(axis=(1, 2)).mean() < 0.4
    for picture in erased[erased.any(axis=(1, 2))]:
        rows, columns = picture.any(axis=1), picture.any(axis=0)
        np.testing.assert_array_equal(picture, np.outer(rows, columns))
        assert picture.mean() <= 0.27
    assert set(np.unique(changed)) == {128.0, 255.0}


def test_mixup_blends_a_picture_with_its_partner_and_says_by_how_much(images):
    changed, share = _augment(images, mixup=0.5)
    part = share.reshape(-1, 1, 1, 1)
    np.testing.assert_allclose(changed, part * images + (1 - part) * images[::-1], atol=1e-3)
    assert ((share >= 0.5) & (share <= 1)).all()
    assert share.min() < 0.95  # some are blended


def test_the_seed_decides(images):
    np.testing.assert_array_equal(_augment(images, 0, **STRENGTHS)[0], _augment(images, 0, **STRENGTHS)[0])
    assert not np.array_equal(_augment(images, 0, **STRENGTHS)[0], _augment(images, 1, **STRENGTHS)[0])
