"""Copies with boxes and labels."""

import cv2
import numpy as np
import pytest

from export.annotate import check_copies, draw_faces, save_annotated
from export.listing import Listing, Picture
from gender_tfds.drawn_faces.picture import encode_face
from gender_tfds.user_error import UserError

ROW = {"x": 100, "y": 80, "width": 60, "height": 70, "gender": "female", "confidence": 0.93}


def save(folder, picture):
    save_annotated(folder, picture, np.zeros((64, 64, 3), np.uint8), [ROW | {"x": 10, "y": 10, "width": 30}])


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
    save(tmp_path / "out", Picture(name, name))
    assert [path for path in (tmp_path / "out").rglob("*") if path.is_file()] == [tmp_path / "out" / written]
    assert cv2.imread(str(tmp_path / "out" / written)).any()


def test_a_copy_is_replaced_by_the_next_and_nothing_else_is(tmp_path):
    """Neither the picture, nor another one that is scored or not, nor what a link leads to."""
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    for name in ("a.jpg", "b.jpg", "c.png.jpg"):
        (photos / name).write_bytes(encode_face(0))
    picture = Picture("a.jpg", str(photos / "a.jpg"))
    save(out, picture)
    first = (out / "a.jpg").read_bytes()
    (out / "a.jpg").write_bytes(first + b"older")
    save(out, picture)
    assert (out / "a.jpg").read_bytes() == first
    (out / "linked.jpg").symlink_to(photos / "b.jpg")
    (out / "nowhere.jpg").symlink_to(photos / "none.jpg")
    (out / "folder.jpg").mkdir()
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    for folder, name, original in (
        (photos, "a.jpg", photos / "a.jpg"),
        (photos, "b.jpg", photos / "sub" / "b.jpg"),
        (photos, "c.png", photos / "c.png"),
        (out, "linked.jpg", photos / "b.jpg"),
        (out, "nowhere.jpg", photos / "a.jpg"),
        (out, "folder.jpg", photos / "a.jpg"),
        (out, "a.jpg", out / "a.jpg"),  # an earlier copy that is scored itself
    ):
        with pytest.raises(UserError, match=r"would replace .*, which is that picture itself or no copy of an earlier"):
            save(folder, Picture(name, str(original)))
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert (out / "nowhere.jpg").is_symlink()


def test_where_copies_will_lie_is_looked_at_before_there_is_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a/1.jpg", "b/sub/2.png", "out/c/3.jpg", "c/3.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(encode_face(0))
    here, out = tmp_path / ".", tmp_path / "out"
    for folder, inputs, told in (
        (here, ["a/1.jpg"], "1.jpg, which is that picture itself or no copy"),
        (here, ["*/*.jpg"], "1.jpg, which is that picture itself or no copy"),
        (here, ["a", "b"], "the copies would lie in a, whose pictures are scored"),
        (tmp_path / "a", ["a"], "the copies would lie in a, whose pictures are scored"),
        (tmp_path / "b" / "sub", ["a", "b"], "the copies would lie in b, whose pictures are scored"),
        (out, ["a", "c"], "3.jpg, which is that picture itself or no copy"),
    ):
        with pytest.raises(UserError, match=told):
            check_copies(folder, Listing(inputs))
    for inputs in (["a"], ["a", "b"], ["a/1.jpg"], ["b/*/*"]):
        check_copies(out, Listing(inputs))
