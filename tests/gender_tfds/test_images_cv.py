"""images_cv: the centred square in RGB, whatever the format, or a ValueError that says why not."""

import io

import cv2
import hypothesis
import numpy as np
import PIL.AvifImagePlugin
import PIL.Image
import PIL.ImageOps
import pytest
from hypothesis import strategies

from gender_tfds import images_cv
from gender_tfds.drawn_faces.picture import draw_face, encode_face
from tests.hostile import KINDS, declare, mutated, property_of

SIZES = (32, 96, 128, 200)


def encode(pixels, kind, **options):
    """Returns the bytes of an image file; another library's than the one under test."""
    image = pixels if isinstance(pixels, PIL.Image.Image) else PIL.Image.fromarray(pixels)
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


@pytest.mark.parametrize("size", SIZES)
def test_the_result_is_uint8_rgb_of_the_size(size):
    result = images_cv.decode_and_resize(encode_face(0), size)
    assert (result.shape, result.dtype) == ((size, size, 3), np.uint8)
    assert result.flags.c_contiguous


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "TIFF", "WEBP"])
def test_red_stays_red(kind):
    red = np.zeros((40, 40, 3), np.uint8)
    red[..., 0] = 200
    result = images_cv.decode_and_resize(encode(red, kind), 32).astype(int)
    assert result[..., 0].min() > 150
    assert result[..., 1:].max() < 50


def test_a_picture_of_the_size_is_left_as_it_is():
    drawn = draw_face(1)
    np.testing.assert_array_equal(images_cv.decode_and_resize(encode(drawn, "PNG"), 128), drawn)


@pytest.mark.parametrize("tall", [False, True])
def test_the_square_is_the_middle(tall):
    middle = draw_face(2)
    wide = np.zeros((128, 190, 3), np.uint8)
    wide[:, 31 : 31 + 128] = middle
    picture, expected = (wide.transpose(1, 0, 2), middle.transpose(1, 0, 2)) if tall else (wide, middle)
    encoded = encode(np.ascontiguousarray(picture), "PNG")
    np.testing.assert_array_equal(images_cv.decode_and_resize(encoded, 128), expected)
    # a squeezed or a left-aligned picture would not pass
    assert not np.array_equal(wide[:, :128], middle)
    assert not np.array_equal(cv2.resize(wide, (128, 128)), middle)


def test_shrinking_averages_areas():
    drawn = draw_face(3)
    means = drawn.reshape(32, 4, 32, 4, 3).mean(axis=(1, 3))
    result = images_cv.decode_and_resize(encode(drawn, "PNG"), 32)
    assert np.abs(result - means).max() <= 0.5
    # a plain bilinear shrink skips pixels
    assert np.abs(cv2.resize(drawn, (32, 32), interpolation=cv2.INTER_LINEAR) - means).max() > 0.5


def test_a_large_picture_is_shrunk_in_bands_to_the_same(monkeypatch):
    picture = np.random.default_rng(0).integers(0, 256, (303, 350, 3), np.uint8)
    expected = images_cv.resize(picture, 96).astype(int)
    monkeypatch.setattr(images_cv, "_LARGE", 302)
    monkeypatch.setattr(images_cv, "_BAND", 64)
    in_bands = images_cv.resize(picture, 96)
    assert in_bands.dtype == np.uint8
    assert np.abs(in_bands - expected).max() <= 1
    assert (in_bands != expected).mean() < 1e-3  # measured: none
    # the planted failure: bands that begin a row too late
    assert (images_cv.resize(np.roll(picture, 1, 0), 96) != expected).mean() > 0.5


def test_a_picture_of_one_pixel_is_enlarged():
    result = images_cv.decode_and_resize(encode(np.array([[[10, 20, 30]]], np.uint8), "PNG"), 8)
    np.testing.assert_array_equal(result, np.broadcast_to([10, 20, 30], (8, 8, 3)))


def test_every_kind_of_pixel_becomes_rgb():
    drawn = PIL.Image.fromarray(draw_face(4))
    alpha = drawn.convert("RGBA")
    alpha.putalpha(90)
    gray = np.asarray(drawn.convert("L"))
    palette = drawn.quantize(64)
    for image, expected in (
        (drawn.convert("L"), np.stack([gray] * 3, -1)),
        (alpha, np.asarray(drawn)),
        (palette, np.asarray(palette.convert("RGB"))),
    ):
        np.testing.assert_array_equal(images_cv.decode_and_resize(encode(image, "PNG"), 128), expected)


def test_the_exif_orientation_is_honoured():
    drawn = PIL.Image.fromarray(draw_face(5))
    exif = drawn.getexif()
    exif[0x0112] = 6  # shown after a quarter turn clockwise
    turned = images_cv.decode_and_resize(encode(drawn, "JPEG", exif=exif), 128)
    upright = images_cv.decode_and_resize(encode(drawn, "JPEG"), 128)
    np.testing.assert_array_equal(turned, np.rot90(upright, -1))
    assert not np.array_equal(turned, upright)


avif = pytest.mark.skipif(not PIL.AvifImagePlugin.SUPPORTED, reason="this Pillow has no AVIF")


def encode_avif(orientation):
    """Returns a drawn face, not square, with the boxes `irot` and `imir` that Pillow writes for an orientation."""
    image = PIL.Image.fromarray(draw_face(6)[:100])
    exif = image.getexif()
    exif[0x0112] = orientation
    return encode(image, "AVIF", exif=exif)


@avif
@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_avif_is_turned_as_pillow_turns_it(orientation):
    encoded = encode_avif(orientation)
    with PIL.Image.open(io.BytesIO(encoded)) as image:
        assert image.getexif().get(0x0112, 1) == orientation
        expected = np.asarray(PIL.ImageOps.exif_transpose(image).convert("RGB")).astype(int)
    found = images_cv.decode(encoded)
    assert found.flags.c_contiguous
    assert found.shape == expected.shape
    assert np.abs(found - expected).mean() < 1
    # as OpenCV has it
    lying = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR_RGB)
    assert np.array_equal(found, lying) == (orientation == 1)


@avif
def test_the_exif_orientation_of_an_avif_counts_for_nothing():
    """An encoder may leave there what it has put into the boxes; OpenCV, which turns by it, would turn twice."""
    other = b"MM\0*\0\0\0\x08\0\x01\x01\x13\0\x03\0\0\0\x01\0\x06\0\0\0\0\0\0"
    plain = encode(PIL.Image.fromarray(draw_face(6)[:100]), "AVIF", exif=other)
    encoded = plain.replace(other[:12], other[:11] + b"\x12")  # the tag becomes the orientation's
    np.testing.assert_array_equal(images_cv.decode(encoded), images_cv.decode(plain))
    assert cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR_RGB).shape == (128, 100, 3)


@avif
def test_an_avif_whose_orientation_is_unknown_is_no_picture(monkeypatch):
    encoded = encode_avif(1)
    monkeypatch.setattr(PIL.AvifImagePlugin, "SUPPORTED", False)
    with pytest.raises(ValueError, match="an AVIF whose orientation Pillow can't read"):
        images_cv.decode(encoded)


ENCODED = encode_face(0)
DAMAGED = {
    "empty": b"",
    "random": np.random.default_rng(0).bytes(2000),
    "text": b"<html>404 Not Found</html>",
    "header": ENCODED[:4],
    "cut JPEG": ENCODED[: len(ENCODED) // 2],
    "cut PNG": encode(draw_face(0), "PNG")[:5000],
}


@pytest.mark.parametrize("encoded", DAMAGED.values(), ids=DAMAGED)
def test_what_is_no_picture_is_a_value_error(encoded):
    with pytest.raises(ValueError, match=r"empty|decode"):
        images_cv.decode_and_resize(encoded, 32)


@pytest.mark.parametrize(
    ("sides", "size", "reduction"),
    [((200, 200), 64, 2), ((200, 190), 64, 1), ((200, 200), 96, 1), ((8000, 6000), 64, 8), ((384, 999), 64, 4)],
)
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"exif": b"Exif\0\0" + bytes(300)}])
def test_a_jpeg_is_reduced_as_far_as_leaves_half_as_much_again(sides, size, reduction, options):
    encoded = encode(PIL.Image.new("RGB", sides), "JPEG", **options)
    assert images_cv.reduction_for(encoded, size) == reduction
    small = images_cv.decode(encoded, reduction)
    assert small.shape[:2] == tuple(-(-side // reduction) for side in sides[::-1])
    assert min(small.shape[:2]) >= 1.5 * size or reduction == 1


@pytest.mark.parametrize("reduction", [1, 2, 4, 8])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_a_reduced_picture_is_what_opencv_calls_its_colours(kind, reduction):
    encoded = encode(draw_face(0), kind)
    name = "IMREAD_COLOR_BGR" if reduction == 1 else f"IMREAD_REDUCED_COLOR_{reduction}"
    expected = cv2.imdecode(np.frombuffer(encoded, np.uint8), getattr(cv2, name))[..., ::-1]
    assert np.array_equal(images_cv.decode(encoded, reduction), expected)
    assert not np.array_equal(expected[..., 0], expected[..., 2])  # neither grey nor in the other order


@pytest.mark.parametrize(
    "encoded",
    [*DAMAGED.values(), encode(draw_face(0), "PNG"), ENCODED[:150], b"\xff\xd8\xff\xe0\0\0" * 9, b"\xff\xd8\xff"],
)
def test_what_tells_no_sides_is_not_reduced(encoded):
    expected = 2 if encoded == DAMAGED["cut JPEG"] else 1  # whose header is whole
    assert images_cv.reduction_for(encoded, 32) == expected


@pytest.mark.parametrize("options", [{}, {"progressive": True}])
def test_a_reduced_picture_is_refused_by_the_sides_of_the_whole_one(options):
    encoded = encode(draw_face(0), "JPEG", **options)
    assert images_cv.decode(declare(encoded, "JPEG", 1000, 89), 8).shape == (12, 125, 3)
    with pytest.raises(ValueError, match="more than 89,000,000 pixels"):
        images_cv.decode(declare(encoded, "JPEG", 10_000, 8_901), 8)


def test_a_header_that_hides_other_sides_from_us_than_from_libjpeg_tells_none():
    """A byte of fill: who takes it for a marker comes to a frame header that is the content of another segment."""
    frame = b"\xff\xc0\0\x11\x08\0\x09\0\x09"
    hiding = b"\xff\xff\xe1\xf0\0" + (bytes(0xE1F0 - 3) + frame).ljust(0xF000 - 2, b"\0")
    encoded = ENCODED[:2] + hiding + ENCODED[2:]
    assert images_cv.jpeg_sides(ENCODED) == images_cv.decode(encoded).shape[:2] == (128, 128)
    assert images_cv.jpeg_sides(encoded) == (0, 0)
    assert images_cv.jpeg_sides(ENCODED[:2] + hiding[1:] + ENCODED[2:]) == (128, 128)  # without that byte


SIGNS = [
    b"\xff\xd8\xff",
    b"\x89PNG\r\n\x1a\n",
    b"RIFF\x00\x01\x00\x00WEBPVP8 ",
    b"GIF89a",
    b"BM",
    b"II*\0",
    b"P6 9 9 255 ",
]
SOUND = [encode(draw_face(0), kind) for kind in KINDS]


def _is_told_or_a_picture(encoded):
    try:
        found = images_cv.decode_and_resize(encoded, 32)
    except ValueError as error:
        told = str(error)
    else:
        told = None
    if told is not None:
        assert told
        assert "\n" not in told
        return False
    assert (found.shape, found.dtype) == ((32, 32, 3), np.uint8)
    return True


@property_of
@hypothesis.given(strategies.sampled_from([b"", *SIGNS]), strategies.binary(max_size=4000))
def test_any_bytes_are_a_picture_or_told(sign, content):
    _is_told_or_a_picture(sign + content)


@property_of
@hypothesis.given(
    strategies.sampled_from(SOUND),
    strategies.lists(strategies.tuples(strategies.floats(0, 1, exclude_max=True), strategies.binary(max_size=40))),
)
def test_any_bytes_in_the_place_of_others_leave_a_picture_or_are_told(sound, changes):
    content = bytearray(sound)
    for where, put in changes:
        at = int(where * len(content))
        content[at : at + len(put)] = put
    _is_told_or_a_picture(bytes(content))


def test_the_changes_leave_some_pictures_and_damage_others():
    assert {_is_told_or_a_picture(content) for _, content in mutated(20)} == {False, True}


def test_a_picture_longer_than_asked_for_shrinks_and_another_stays_as_it_is():
    image = np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8)
    small, scale = images_cv.shrink(image, 200)
    assert (small.shape, scale) == ((150, 200, 3), 0.5)
    np.testing.assert_allclose(small, image.reshape(150, 2, 200, 2, 3).mean(axis=(1, 3)), atol=1)
    same, scale = images_cv.shrink(image, 400)
    assert scale == 1
    np.testing.assert_array_equal(same, image)
    assert images_cv.shrink(np.zeros((2, 4000, 3), np.uint8), 100)[0].shape == (1, 100, 3)


def test_heic_is_called_by_its_name():
    with pytest.raises(ValueError, match="HEIC, which OpenCV can't decode"):
        images_cv.decode(b"\0\0\0\x18ftypheic" + bytes(100))
    with pytest.raises(ValueError, match="not a picture"):
        images_cv.decode(b"\0\0\0\x18ftypmp42" + bytes(100))
