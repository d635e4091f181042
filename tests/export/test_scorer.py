"""From a file to its row, whatever the file is."""

import hashlib
import os
import socket

import cv2
import numpy as np
import pytest

from export.listing import Picture
from export.score_config import ScoreConfig
from export.scorer import Scorer, read_file
from gender_tfds.drawn_faces.picture import draw_face, encode_face
from gender_tfds.faces import CROP_TEMPLATES
from gender_tfds.images_cv import decode_and_resize


class LeftSide:
    """Says how bright the left half is: a mirror image gets another score."""

    image_size = 16

    def __init__(self, threshold=0.5):
        self.batches = []
        self.metadata = {"threshold": threshold, "image_size": self.image_size, "crop_templates": CROP_TEMPLATES}

    def predict(self, images):
        self.batches.append(len(images))
        return images[:, :, :8].mean(axis=(1, 2, 3), dtype=np.float32) / 255


def score(paths, predictor=None, **config):
    scorer = Scorer(lambda: predictor or LeftSide(), ScoreConfig(**config))
    return scorer.score([Picture(path.name, str(path)) for path in paths])


@pytest.fixture
def face(tmp_path):
    path = tmp_path / "face.jpg"
    path.write_bytes(encode_face(0))
    return path


def test_a_row_for_each_picture_with_its_own_score(tmp_path, face):
    (tmp_path / "other.jpg").write_bytes(encode_face(1))
    (tmp_path / "broken.jpg").write_bytes(b"broken")
    ((first,), (broken,), (second,)) = score([face, tmp_path / "broken.jpg", tmp_path / "other.jpg"])
    assert broken == {"path": "broken.jpg", "error": "not a picture that OpenCV can decode, or damaged"}
    for row, index in ((first, 0), (second, 1)):
        expected = LeftSide().predict(decode_and_resize(encode_face(index), 16)[None])[0]
        assert row["p_female"] == pytest.approx(float(expected), abs=1e-6)
    assert first["p_female"] != second["p_female"]


def test_the_model_sees_no_more_than_a_batch(face):
    predictor = LeftSide()
    assert len(score([face] * 70, predictor)) == 70
    assert predictor.batches == [32, 32, 6]


def test_the_mirror_image_is_averaged(face):
    image = decode_and_resize(encode_face(0), 16)
    one, other = (float(LeftSide().predict(np.ascontiguousarray(x)[None])[0]) for x in (image, image[:, ::-1]))
    ((row,),) = score([face], tta=True)
    assert row["p_female"] == pytest.approx((one + other) / 2, abs=1e-6)
    assert one != pytest.approx(other, abs=1e-4)


def test_threshold_and_least_confidence(face):
    ((row,),) = score([face])
    p_female = row["p_female"]
    ((over,),), ((under,),) = score([face], threshold=p_female - 0.01), score([face], threshold=p_female + 0.01)
    assert (over["gender"], under["gender"]) == ("female", "male")
    # without one, the model's own counts
    ((own,),) = score([face], LeftSide(threshold=p_female + 0.01))
    assert own["gender"] == "male" != score([face], LeftSide(threshold=p_female - 0.01))[0][0]["gender"]
    ((undecided,),) = score([face], min_confidence=1.0)
    assert (undecided["gender"], undecided["p_female"]) == ("undecided", p_female)


def test_columns_about_the_picture(tmp_path, face):
    cv2.imwrite(str(tmp_path / "wide.png"), np.zeros((20, 30, 3), np.uint8))
    ((row,),) = score([tmp_path / "wide.png"], columns=("width", "height", "sha256"))
    assert (row["width"], row["height"]) == (30, 20)
    assert row["sha256"] == hashlib.sha256((tmp_path / "wide.png").read_bytes()).hexdigest()
    assert "width" not in score([face])[0][0]
    ((broken,),) = score([tmp_path], columns=("sha256",))
    assert broken == {"path": tmp_path.name, "error": "not a regular file"}


def _cmyk(path):
    from PIL import Image

    Image.fromarray(draw_face(0)).convert("CMYK").save(path, quality=95)


def _palette(path):
    from PIL import Image

    Image.fromarray(draw_face(0)).convert("P", palette=Image.Palette.ADAPTIVE, colors=256).save(path)


def _animated(path):
    from PIL import Image

    first, second = (Image.fromarray(draw_face(index)) for index in (0, 1))
    first.save(path, save_all=True, append_images=[second], duration=100, loop=0, lossless=True)


def _rotated(path):
    from PIL import Image

    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(draw_face(0))).save(path, exif=exif, quality=95)


def _sixteen_bits(path):
    cv2.imwrite(str(path), draw_face(0)[..., ::-1].astype(np.uint16) * 257)


def _plain(path):
    from PIL import Image

    Image.fromarray(draw_face(0)).save(path)


def _alpha(path):
    from PIL import Image

    Image.fromarray(draw_face(0)).convert("RGBA").save(path)


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("cmyk.jpg", _cmyk),
        ("rotated.jpg", _rotated),
        ("palette.png", _palette),
        ("sixteen.png", _sixteen_bits),
        ("alpha.png", _alpha),
        ("animated.gif", _animated),
        ("animated.webp", _animated),
        ("animated.png", _animated),
        ("plain.webp", _plain),
        ("plain.bmp", _plain),
        ("plain.tiff", _plain),
        ("plain.avif", _plain),
        ("plain.jp2", _plain),
    ],
)
def test_every_kind_of_picture_is_the_picture_it_shows(tmp_path, name, make):
    """Within what its format loses; another face, or this one turned, is farther away."""
    path = tmp_path / name
    make(path)
    cv2.imwrite(str(tmp_path / "sound.png"), draw_face(0)[..., ::-1])
    ((right,),) = score([tmp_path / "sound.png"])
    ((row,),) = score([path])
    assert row.get("error") is None
    assert row["p_female"] == pytest.approx(right["p_female"], abs=0.02)
    for other in (np.rot90(draw_face(0)), draw_face(1)):
        cv2.imwrite(str(tmp_path / "other.png"), other[..., ::-1])
        assert abs(score([tmp_path / "other.png"])[0][0]["p_female"] - right["p_female"]) > 0.02


@pytest.mark.parametrize("share", [0.3, 0.9, 0.99])
@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_a_picture_that_ends_too_early_is_an_error(tmp_path, suffix, share):
    done, whole = cv2.imencode(suffix, draw_face(0)[..., ::-1])
    assert done
    path = tmp_path / f"cut{suffix}"
    path.write_bytes(whole.tobytes())
    assert score([path])[0][0].get("error") is None
    path.write_bytes(whole.tobytes()[: int(len(whole) * share)])
    assert "damaged" in score([path])[0][0]["error"]


def test_only_regular_files_are_read(tmp_path, face):
    assert read_file(str(face)) == encode_face(0)
    os.mkfifo(tmp_path / "pipe.jpg")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "socket.jpg"))
        for name, told in (
            ("pipe.jpg", "not a regular file"),
            ("socket.jpg", "No such device"),
            ("none", "No such file"),
        ):
            with pytest.raises(ValueError, match=told):
                read_file(str(tmp_path / name))
    for device in ("/dev/zero", "/dev/stdin"):
        with pytest.raises(ValueError, match="not a regular file"):
            read_file(device)


class Planted:
    """In a detector's place: as many faces as the picture's file name says."""

    def __init__(self, *arguments):
        pass

    def look(self, encoded, size, template):
        from export.detector import Face, Photo

        count = encoded[-1]
        faces = [
            Face(np.array([number, 2, 30.4, 20], np.float32), np.zeros((5, 2), np.float32), 0.9)
            for number in range(count)
        ]
        crops = [np.full((size, size, 3), 40 * number, np.uint8) for number in range(count)]
        return Photo(60, 40, faces, crops)


@pytest.fixture
def photos(tmp_path, monkeypatch):
    from export import detector

    monkeypatch.setattr(detector, "FaceDetector", Planted)
    for name, count in (("two.jpg", 2), ("none.jpg", 0), ("five.jpg", 5)):
        (tmp_path / name).write_bytes(encode_face(0) + bytes([count]))
    return [tmp_path / name for name in ("two.jpg", "none.jpg", "five.jpg")]


def test_with_a_detector_each_face_has_a_row_and_a_photo_without_one_has_one(photos):
    two, none, five = score(photos, detector="yunet", columns=("width", "height"))
    assert [row["face"] for row in two + five] == [0, 1, 0, 1, 2, 3, 4]
    assert [row["faces"] for row in two + five] == [2, 2, 5, 5, 5, 5, 5]
    sides = {"image_width": 60, "image_height": 40}
    assert none == [{"path": "none.jpg", **sides, "face": -1, "faces": 0, "error": "no face found"}]
    assert {name: two[1][name] for name in ("x", "y", "width", "height")} == {"x": 1, "y": 2, "width": 30, "height": 20}
    assert (two[0]["image_width"], two[0]["image_height"]) == (60, 40)
    # each face its own score, over the batch's end too
    assert [row["p_female"] for row in five] == pytest.approx([40 * number / 255 for number in range(5)], abs=1e-6)


def test_copies_are_annotated_where_there_are_faces(photos, tmp_path):
    config = ScoreConfig(detector="yunet")
    scorer = Scorer(LeftSide, config, annotated_dir=tmp_path / "copies")
    scorer.score([Picture(path.name, str(path)) for path in photos])
    assert sorted(path.name for path in (tmp_path / "copies").iterdir()) == ["five.jpg", "two.jpg"]


def test_an_interrupted_table_of_faces_is_gone_on_with_by_whole_photos(photos, tmp_path):
    from export.listing import Listing
    from export.score import score_listing
    from export.writers import TableWriter

    config = ScoreConfig(detector="yunet")
    names = tmp_path / "list.txt"
    names.write_text("".join(f"{path}\n" for path in photos))
    scorer, listing = Scorer(LeftSide, config), Listing([str(names)])

    def run(output, **options):
        with TableWriter(output, config.table_columns(), **options) as writer:
            summary = score_listing(scorer, listing, writer, threads=1)
            writer.finish()
        return summary.line()

    whole = tmp_path / "whole.csv"
    told = run(whole)
    lines = whole.read_bytes().splitlines(keepends=True)
    assert len(lines) == 1 + 2 + 1 + 5
    for kept in range(2, len(lines) + 1):
        table, partial = tmp_path / "table.csv", tmp_path / "table.csv.partial"
        partial.write_bytes(b"".join(lines[:kept]))
        (tmp_path / "table.csv.partial.settings").write_text("")
        assert run(table, resume=True) == told
        assert table.read_bytes() == whole.read_bytes()
        table.unlink()


def test_an_answer_that_is_no_number_is_an_error_and_no_prediction(face):
    class Diverged(LeftSide):
        def predict(self, images):
            return np.full(len(images), np.nan, np.float32)

    ((row,),) = score([face], Diverged())
    assert (row["p_female"], row["error"]) == (None, "the model gives no number for this picture")
    assert score([face])[0][0]["error"] is None
