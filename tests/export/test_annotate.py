"""Copies with boxes and labels."""

import cv2
import numpy as np
import pytest

from export.annotate import draw_faces, save_annotated

ROW = {"x": 100, "y": 80, "width": 60, "height": 70, "gender": "female", "confidence": 0.93}


def _changed(image, copy):
    return np.argwhere((copy.astype(int) != image).any(axis=-1))


def test_a_face_has_a_box_of_its_labels_colour():
    image = np.full((300, 400, 3), 128, np.uint8)
    copies = {gender: draw_faces(image, [ROW | {"gender": gender}]) for gender in ("female", "male", "undecided")}
    for copy in copies.values():
        top, left = _changed(image, copy).min(axis=0)
        bottom, right = _changed(image, copy).max(axis=0)
        assert 50 <= top < 80
        assert (left, bottom) == (99, 151)
        assert right >= 160
        assert (copy[100:130, 110:150] == 128).all()  # the face itself is not painted over
    assert len({tuple(copy[150, 130]) for copy in copies.values()}) == 3


@pytest.mark.parametrize(("x", "y"), [(0, 0), (-20, -20), (380, 280), (350, 3)])
def test_faces_at_the_border_are_drawn(x, y):
    image = np.full((300, 400, 3), 128, np.uint8)
    copy = draw_faces(image, [ROW | {"x": x, "y": y}])
    assert copy.shape == image.shape
    assert len(_changed(image, copy)) > 100


def test_a_large_photo_is_made_smaller():
    copy = draw_faces(np.zeros((3000, 4096, 3), np.uint8), [ROW | {"x": 2000, "y": 2000, "width": 400, "height": 400}])
    assert copy.shape == (1500, 2048, 3)
    assert copy[1000:1200, 995:1005].any()


@pytest.mark.parametrize(
    ("name", "written"),
    [
        ("a.jpg", "a.jpg"),
        ("sub/b.png", "sub/b.png.jpg"),
        ("../../c.jpg", "c.jpg"),
        ("/etc/d.jpeg", "etc/d.jpeg"),
        ("e", "e.jpg"),
        (f"{'f' * 249}.png", f"{'f' * 249}.jpg"),
    ],
)
def test_copies_lie_below_their_folder(tmp_path, name, written):
    save_annotated(tmp_path / "out", name, np.zeros((64, 64, 3), np.uint8), [ROW | {"x": 10, "y": 10, "width": 30}])
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == [tmp_path / "out" / written]
    assert cv2.imread(str(tmp_path / "out" / written)).any()
