"""Faces in photos: where they are, and how they are cut out."""

import cv2
import numpy as np
import onnx
import PIL.Image
import pytest

from export import detector
from export.detector import Face, FaceDetector, crop, similarity
from gender_tfds.faces import CROP_TEMPLATE
from gender_tfds.user_error import UserError
from tests.conftest import SHARED_DATA
from tests.hostile import declare, encode

TEMPLATE = np.array(CROP_TEMPLATE, np.float32)
PORTRAITS = sorted((SHARED_DATA / "portraits").glob("*/*.jpg"))[::10]
portraits = pytest.mark.skipif(not PORTRAITS, reason=f"reads {SHARED_DATA / 'portraits'}, which is not there")


@pytest.fixture(scope="module")
def find() -> FaceDetector:
    return FaceDetector()


def _face(landmarks) -> Face:
    return Face(np.array([0, 0, 1, 1], np.float32), np.asarray(landmarks, np.float32), 1.0)


def _placed(side: float, angle: float, left: float, top: float) -> np.ndarray:
    """Returns the template as a chip of that side would show it, turned about its corner and moved."""
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    return TEMPLATE * side @ turn + [left, top]


@pytest.mark.parametrize(("side", "angle"), [(64, 0), (500, 0.4), (30, -1.2), (64, 3.1)])
def test_landmarks_come_to_lie_on_the_template(side, angle):
    landmarks = _placed(side, angle, 70, 40)
    turn, shift = similarity(landmarks, 96)
    moved = turn * (landmarks @ [1, 1j]) + shift
    np.testing.assert_allclose(moved, TEMPLATE * 96 @ [1, 1j], atol=1e-3)
    assert abs(turn) == pytest.approx(96 / side)


def test_a_crop_shows_what_a_chip_shows():
    """A picture is its own chip; turned and enlarged it is cut out as it was."""
    rng = np.random.default_rng(0)
    chip = cv2.GaussianBlur(rng.integers(0, 256, (64, 64, 3), np.uint8), (0, 0), 3)
    chip = cv2.normalize(chip, None, 0, 255, cv2.NORM_MINMAX)
    matrix = cv2.getRotationMatrix2D((0, 0), 20, 2.5) + np.array([[0, 0, 30], [0, 0, 60]])
    photo = cv2.warpAffine(chip, matrix, (260, 260), borderMode=cv2.BORDER_REPLICATE)
    landmarks = (TEMPLATE * 64) @ matrix[:, :2].T + matrix[:, 2]
    found = crop(photo, _face(landmarks), 64).astype(int)
    inner = np.s_[4:-4, 4:-4]
    assert np.abs(found - chip)[inner].mean() < 4
    # the planted failure: mirrored landmarks, which a similarity can't undo
    assert np.abs(crop(photo, _face(landmarks[[1, 0, 2, 4, 3]]), 64).astype(int) - chip)[inner].mean() > 20


def test_a_large_face_is_averaged_not_sampled():
    stripes = np.zeros((800, 800, 3), np.uint8)
    stripes[:, ::2] = 255
    found = crop(stripes, _face(TEMPLATE * 800), 100)[10:-10, 10:-10]
    assert found.std() < 15
    assert found.mean() == pytest.approx(127, abs=10)


class Planted:
    """In the detector's network's place: finds white squares of 20 pixels and more in what it is given."""

    def __init__(self):
        self.sizes = []

    def setInputSize(self, size):  # noqa: N802 (OpenCV's name)
        self.sizes.append(size)

    def detect(self, image):
        _, _, boxes, _ = cv2.connectedComponentsWithStats((image[..., 0] > 200).astype(np.uint8))
        rows = [
            [x, y, w, h, *(TEMPLATE * [w, h] + [x, y]).ravel(), 0.9] for x, y, w, h, _ in boxes[1:] if min(w, h) >= 20
        ]
        return 1, np.array(rows, np.float32) if rows else None


@pytest.fixture
def planted(find, monkeypatch) -> FaceDetector:
    copy = FaceDetector()
    monkeypatch.setattr(copy, "_network", Planted())
    return copy


def _photo(height, width, *squares):
    image = np.zeros((height, width, 3), np.uint8)
    for left, top, side in squares:
        image[top : top + side, left : left + side] = 255
    return image


def _boxes(faces):
    return sorted(tuple(np.rint(face.box).astype(int).tolist()) for face in faces)


def test_small_faces_are_found_in_tiles_and_each_once(planted):
    """Squares on the seams of tiles, in corners, and one that two tiles see."""
    squares = [(0, 0, 40), (3960, 2960, 40), (900, 900, 40), (790, 1000, 40), (1700, 30, 60)]
    faces = planted.detect(_photo(3000, 4000, *squares))
    assert _boxes(faces) == sorted((x, y, side, side) for x, y, side in squares)
    assert faces[0].box[2] == 60
    np.testing.assert_allclose(faces[0].landmarks, TEMPLATE * 60 + [1700, 30], atol=1)
    assert max(max(size) for size in planted._network.sizes) == 960


def test_a_photo_of_large_faces_is_looked_at_once(planted):
    faces = planted.detect(_photo(3000, 4000, (1000, 800, 800), (2500, 800, 600)))
    assert [size for size in planted._network.sizes if max(size) > 320] == [(960, 720)]
    for face, expected in zip(faces, [(1000, 800, 800, 800), (2500, 800, 600, 600)], strict=True):
        np.testing.assert_allclose(face.box, expected, atol=6)


@pytest.mark.parametrize("shape", [(1, 1), (1, 3000), (3000, 1), (17, 961), (960, 960)])
def test_odd_shapes_are_looked_at(find, shape):
    assert find.detect(np.zeros((*shape, 3), np.uint8)) == []


def test_a_reduced_copy_is_decoded_where_faces_are_large(planted, monkeypatch):
    reductions = []
    decode = detector.decode
    monkeypatch.setattr(
        detector, "decode", lambda data, reduction=1: reductions.append(reduction) or decode(data, reduction)
    )

    def look(*squares):
        reductions.clear()
        return planted.look(cv2.imencode(".jpg", _photo(3001, 4003, *squares))[1].tobytes(), 32)

    photo = look((1000, 800, 800))
    assert reductions == [4]
    assert (photo.width, photo.height) == (4003, 3001)
    np.testing.assert_allclose(photo.faces[0].box, (1000, 800, 800, 800), atol=8)
    assert photo.crops[0].shape == (32, 32, 3)
    photo = look((1000, 800, 40))
    assert reductions == [4, 1]
    assert _boxes(photo.faces) == [(1000, 800, 40, 40)]


def test_a_photo_over_the_limit_is_refused_without_a_warning(planted, recwarn):
    small = cv2.imencode(".jpg", _photo(128, 128))[1].tobytes()
    with pytest.raises(ValueError, match="more than 89,000,000 pixels"):
        planted.look(declare(small, "JPEG", 10_000, 10_000), 32)
    assert not recwarn.list


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
def test_a_photo_on_its_side_is_turned_and_keeps_its_shape(planted, kind):
    image = PIL.Image.fromarray(_photo(2000, 3000, (300, 900, 600)))
    exif = image.getexif()
    exif[0x0112] = 6  # shown after a quarter turn clockwise
    photo = planted.look(encode(image, kind, exif=exif), 32)
    assert (photo.width, photo.height) == (2000, 3000)
    np.testing.assert_allclose(photo.faces[0].box, (2000 - 900 - 600, 300, 600, 600), atol=12)


@pytest.mark.parametrize(
    ("content", "told"), [(None, "is not a file"), (b"x" * 1000, "is not YuNet's"), (b"", "is not YuNet's")]
)
def test_what_is_no_detector_is_one_sentence(tmp_path, content, told):
    path = tmp_path / "model.onnx"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=told):
        FaceDetector(path)


def test_another_network_is_no_detector(tmp_path):
    path = tmp_path / "other.onnx"
    pixels, out = (
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, [1, 3, 320, 320]) for name in ("in", "out")
    )
    graph = onnx.helper.make_graph([onnx.helper.make_node("Relu", ["in"], ["out"])], "other", [pixels], [out])
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 11)], ir_version=8), path)
    with pytest.raises(UserError, match="is not YuNet's"):
        FaceDetector(path)


def _tilt(face: Face) -> float:
    """Returns by how many degrees the eyes are turned."""
    right, left = face.landmarks[:2]
    return float(np.degrees(np.arctan2(*(left - right)[::-1])))


@portraits
def test_faces_of_portraits_are_found_and_their_tilt_is_measured(find):
    errors, errors_of_one_look = [], []
    for path in PORTRAITS:
        image = np.ascontiguousarray(cv2.imread(str(path))[..., ::-1])
        (face,) = find.detect(image)
        turned = cv2.warpAffine(image, cv2.getRotationMatrix2D((128, 128), 25, 0.8), (256, 256))
        (other,) = find.detect(turned)
        errors.append(abs(_tilt(other) - _tilt(face) + 25))
        errors_of_one_look.append(abs(_tilt(find._run(turned)[0]) - _tilt(face) + 25))
    assert np.median(errors) < 5  # measured: 1.3, and 23 by one look
    # the planted failure: landmarks that are not measured again
    assert np.median(errors_of_one_look) > 10


@portraits
def test_a_picture_without_a_face_has_none(find):
    noise = np.random.default_rng(0).integers(0, 256, (256, 256, 3), np.uint8)
    assert find.detect(noise) == []
