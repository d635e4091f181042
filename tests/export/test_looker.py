"""From bytes to crops and rows, with a detector and without."""

import numpy as np
import pytest

from export import detector
from export.looker import Looker
from export.score_config import ScoreConfig
from gender_tfds.drawn_faces.picture import encode_face
from gender_tfds.faces import CROP_TEMPLATES
from gender_tfds.images_cv import decode_and_resize
from gender_tfds.user_error import UserError

METADATA = {"image_size": 24, "crop_templates": CROP_TEMPLATES}


def test_a_crop_for_each_row_or_an_error():
    looker = Looker(ScoreConfig(columns=("width",)))
    rows, crops = looker.look({"path": "a"}, encode_face(0), METADATA)
    assert rows == [{"path": "a", "width": 128}]
    np.testing.assert_array_equal(crops, [decode_and_resize(encode_face(0), 24)])
    rows, crops = looker.look({"path": "a"}, b"", METADATA)
    assert (rows, crops) == ([{"path": "a", "error": "the file is empty"}], [])


def test_scaled_decoding_makes_nearly_the_same_crop_and_tells_the_same_sides():
    whole, scaled, with_sides = (
        Looker(ScoreConfig(scaled_decoding=scaled, columns=columns)).look({}, encode_face(0), METADATA)
        for scaled, columns in ((False, ()), (True, ()), (True, ("width",)))
    )
    np.testing.assert_array_equal(with_sides[1], whole[1])
    assert with_sides[0] == [{"width": 128}]
    difference = np.abs(scaled[1][0].astype(int) - whole[1][0])
    assert 0 < difference.max() <= 12  # measured: 7
    assert difference.mean() < 1.5  # measured: 0.6


def test_a_picture_without_a_face_is_told():
    rows, crops = Looker(ScoreConfig(detector="yunet")).look({"path": "a"}, b"", METADATA)
    assert (rows, crops) == ([{"path": "a", "face": -1, "faces": 0, "error": "the file is empty"}], [])


def test_faces_are_cut_out_as_the_model_says(monkeypatch):
    looker = Looker(ScoreConfig(detector="yunet"))
    face = detector.Face(np.array([30, 30, 60, 60], np.float32), 128 * np.array(CROP_TEMPLATES["yunet"]), 0.9)
    monkeypatch.setattr(detector.FaceDetector, "detect", lambda self, image: [face])
    smaller = {"yunet": 0.5 * np.array(CROP_TEMPLATES["yunet"])}
    (usual,), (other,) = (
        looker.look({"path": "a"}, encode_face(0), METADATA | change)[1] for change in ({}, {"crop_templates": smaller})
    )
    np.testing.assert_allclose(usual, decode_and_resize(encode_face(0), 24), atol=3)
    np.testing.assert_allclose(other[:12, :12], decode_and_resize(encode_face(0), 12), atol=3)


def test_a_detector_that_is_none_is_told_at_once(tmp_path):
    with pytest.raises(UserError, match="is not a file"):
        Looker(ScoreConfig(detector="yunet", detector_model=str(tmp_path / "none.onnx")))
