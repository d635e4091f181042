"""images_tf: in a graph what images_cv is outside one."""

import cv2
import numpy as np
import PIL.Image
import pytest
import tensorflow as tf

from gender_tfds import images_cv, images_tf
from gender_tfds.drawn_faces.picture import draw_face, encode_face
from tests.gender_tfds.test_images_cv import DAMAGED, SIZES, encode


def _difference(encoded, size):
    """Returns the greatest difference between the two decoders, in levels."""
    ours = images_tf.decode_and_resize(tf.constant(encoded), size).numpy().astype(int)
    return np.abs(ours - images_cv.decode_and_resize(encoded, size)).max()


def _pictures():
    drawn = PIL.Image.fromarray(draw_face(0))
    wide, tall = drawn.resize((151, 90)), drawn.resize((77, 141))
    alpha = drawn.convert("RGBA")
    alpha.putalpha(90)
    return {
        "drawn": encode_face(0),
        "wide JPEG": encode(wide, "JPEG", quality=92),
        "tall JPEG": encode(tall, "JPEG", quality=75),
        "progressive JPEG": encode(drawn, "JPEG", progressive=True),
        "JPEG with full colour": encode(drawn, "JPEG", subsampling=0),
        "gray JPEG": encode(drawn.convert("L"), "JPEG"),
        "tall PNG": encode(tall, "PNG"),
        "gray PNG": encode(wide.convert("L"), "PNG"),
        "PNG with alpha": encode(alpha, "PNG"),
        "PNG with a palette": encode(wide.quantize(64), "PNG"),
        "BMP": encode(drawn, "BMP"),
        "WebP": encode(drawn, "WEBP", lossless=True),
    }


PICTURES = _pictures()


@pytest.mark.parametrize("encoded", PICTURES.values(), ids=PICTURES)
def test_opencv_and_tensorflow_agree_within_a_level(encoded):
    for size in (*SIZES, 67):
        assert _difference(encoded, size) <= 1, size


def test_levels_are_rounded_not_cut_off():
    drawn = draw_face(3)
    means = drawn.reshape(32, 4, 32, 4, 3).mean(axis=(1, 3))
    result = images_tf.decode_and_resize(tf.constant(encode(drawn, "PNG")), 32).numpy()
    assert np.abs(result - means).max() <= 0.5
    assert np.abs(np.floor(means) - means).max() > 0.5


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_without_a_resize_they_agree_bit_for_bit(kind):
    for index in range(10):
        assert _difference(encode(draw_face(index), kind), 128) == 0


def _by_default_method(encoded, size):
    return tf.cast(tf.image.resize(tf.io.decode_jpeg(encoded, channels=3), (size, size), method="area"), tf.uint8)


@pytest.mark.parametrize("planted", [_by_default_method, lambda *args: images_tf.decode_and_resize(*args)[..., ::-1]])
def test_another_method_or_bgr_is_seen(planted):
    def difference(function):
        theirs = images_cv.decode_and_resize(PICTURES["drawn"], 96).astype(int)
        return np.abs(function(tf.constant(PICTURES["drawn"]), 96).numpy() - theirs).max()

    assert difference(planted) > 1 >= difference(images_tf.decode_and_resize)


def test_the_exif_orientation_is_not_honoured_here():
    drawn = PIL.Image.fromarray(draw_face(5))
    exif = drawn.getexif()
    exif[0x0112] = 6
    encoded = encode(drawn, "JPEG", exif=exif)
    assert _difference(encoded, 128) > 1
    ours = images_tf.decode_and_resize(tf.constant(encoded), 128).numpy()
    np.testing.assert_array_equal(ours, images_cv.decode_and_resize(encode(drawn, "JPEG"), 128))


def test_shape_and_type_are_known_in_a_graph():
    dataset = tf.data.Dataset.from_tensor_slices([PICTURES["wide JPEG"], PICTURES["tall PNG"]])
    dataset = dataset.map(lambda encoded: images_tf.decode_and_resize(encoded, 48))
    assert dataset.element_spec == tf.TensorSpec((48, 48, 3), tf.uint8)
    for ours, name in zip(dataset.as_numpy_iterator(), ("wide JPEG", "tall PNG"), strict=True):
        theirs = images_cv.decode_and_resize(PICTURES[name], 48)
        assert np.abs(ours.astype(int) - theirs).max() <= 1


def test_red_stays_red():
    red = cv2.imencode(".jpg", np.full((40, 40, 3), (0, 0, 200), np.uint8))[1].tobytes()
    result = images_tf.decode_and_resize(tf.constant(red), 32).numpy().astype(int)
    assert result[..., 0].min() > 150
    assert result[..., 1:].max() < 50


@pytest.mark.parametrize("encoded", DAMAGED.values(), ids=DAMAGED)
def test_what_is_no_picture_is_an_invalid_argument(encoded):
    with pytest.raises(tf.errors.InvalidArgumentError):
        images_tf.decode_and_resize(tf.constant(encoded), 32)


@pytest.mark.parametrize("size", [32, 48, 50, 64, 96, 100, 112, 160, 224])
def test_both_decoders_agree_where_many_averages_are_halves(size):
    """128 pixels to 64 or 96: many averages lie on a half, and each library rounds in its own way."""
    differing, by_bytes = [], []
    for index in range(6):
        encoded = encode_face(index)
        ours = images_cv.decode_and_resize(encoded, size).astype(int)
        theirs = images_tf.decode_and_resize(tf.constant(encoded), size).numpy().astype(int)
        assert np.abs(ours - theirs).max() <= 1
        differing.append((ours != theirs).mean())
        pixels = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR_RGB)
        method = cv2.INTER_AREA if size < 128 else cv2.INTER_LINEAR
        by_bytes.append((cv2.resize(pixels, (size, size), interpolation=method) != theirs).mean())
    if size <= 128:
        assert np.mean(differing) == 0
    assert np.mean(differing) < 0.001  # measured where it enlarges: 0.0001, at 224 pixels
    if size == 96:
        assert np.mean(by_bytes) > 0.02  # what resizing on bytes would give: 0.056


def test_shrinking_is_exact_where_tensorflows_own_is_not():
    """200 pixels, those of UTKFace, to 96: areas begin within pixels."""
    exact, own = [], []
    for index in range(6):
        encoded = encode(cv2.resize(draw_face(index), (200, 200), interpolation=cv2.INTER_CUBIC), "PNG")
        expected = images_cv.decode_and_resize(encoded, 96)
        exact.append((images_tf.decode_and_resize(tf.constant(encoded), 96).numpy() != expected).mean())
        fast = images_tf.decode_and_resize(tf.constant(encoded), 96, exact=False).numpy()
        assert np.abs(fast.astype(int) - expected).max() <= 1
        own.append((fast != expected).mean())
    assert np.mean(exact) == 0
    assert 1e-5 < np.mean(own) < 1e-3
