"""A folder of photos is scored right after installing: trained models come with the package."""

import pathlib

import numpy as np
import pytest

from export import commands
from export.packaged import DEFAULT, FOLDER, MODELS, model_path
from export.predictor import load_predictor
from gender_tfds.drawn_faces.picture import encode_face
from gender_tfds.images_cv import decode_and_resize

LARGEST = 8_000_000  # bytes of all files: what a package may weigh


@pytest.mark.parametrize("name", MODELS)
def test_a_packaged_model_runs_and_says_what_it_is(name):
    predictor = load_predictor(model_path(name))
    assert "utkface" in predictor.metadata["data"]
    assert "non-commercial" in predictor.metadata["licence"]
    assert "perceived" in predictor.metadata["output"]
    faces = np.stack([decode_and_resize(encode_face(index), predictor.image_size) for index in range(8)])
    p_female = predictor.predict(faces)
    assert p_female.shape == (8,)
    assert np.ptp(p_female) > 0.01  # it looks at the picture


def test_the_card_names_each_file_and_nothing_else_is_packaged():
    card = (FOLDER / "README.md").read_text()
    models = {path.name for path in MODELS.values()}
    assert {path.name for path in FOLDER.glob("*.tflite")} == models
    for name in models:
        assert f"`{name}`" in card
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) < LARGEST


def test_a_name_is_a_packaged_model_and_anything_else_a_path():
    assert model_path(DEFAULT).is_file()
    assert model_path("some/model.tflite") == pathlib.Path("some/model.tflite")


def test_without_a_model_the_packaged_one_scores(tmp_path, capsys):
    (tmp_path / "a.jpg").write_bytes(encode_face(0))
    tables = [tmp_path / "default.csv", tmp_path / "named.csv"]
    assert commands.score([str(tmp_path), f"--output={tables[0]}"]) == 0
    assert commands.score([str(tmp_path), f"--output={tables[1]}", f"--model={model_path(DEFAULT)}"]) == 0
    assert tables[0].read_bytes() == tables[1].read_bytes()
    capsys.readouterr()
    assert commands.score([str(tmp_path), f"--output={tmp_path / 'none.csv'}", "--model=best"]) == 2
    assert "--model=best does not exist; give a packaged model" in capsys.readouterr().err
