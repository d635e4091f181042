"""A training may start from a model that comes with the package."""

import pathlib

import numpy as np
import pytest

from export.export_model import EMITTERS
from export.packaged import model_path
from export.predictor import load_predictor
from gender_tfds.drawn_faces.picture import encode_face
from gender_tfds.images_cv import decode_and_resize
from gender_tfds.packaged_models import FOLDER, MODELS, keras_file
from gender_tfds.saved_run import load_classifier

LARGEST = 8_000_000  # bytes of all files
OFF = 0.05  # mean difference of a probability: full int8, calibrated on real faces, beside float32, on drawn ones


@pytest.mark.parametrize("name", MODELS)
def test_it_answers_as_the_artefact_of_its_name(name):
    model, artefact = load_classifier(keras_file(name)), load_predictor(model_path(name))
    size = model.input_shape[1]
    assert size == artefact.image_size
    faces = np.stack([decode_and_resize(encode_face(index), size) for index in range(32)])
    ours, theirs = model.predict(faces, verbose=0)[:, 0], artefact.predict(faces)
    assert np.abs(ours - theirs).mean() < OFF
    assert np.abs(ours - theirs).max() < EMITTERS["int8"][2].difference
    # other faces' answers are others: the tolerance tells them apart
    assert np.abs(ours - np.roll(theirs, 1)).mean() > 4 * OFF


def test_nothing_else_is_packaged_and_another_name_is_a_path():
    assert set(FOLDER.iterdir()) == set(MODELS.values())
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < LARGEST
    assert keras_file("some/model.keras") == pathlib.Path("some/model.keras")
