"""saved_run: what a run folder holds is read, or refused in a sentence that names the path."""

import json
import zipfile

import keras
import numpy as np
import pytest

from gender_tfds import run_folder, saved_run
from gender_tfds.user_error import UserError


def test_the_record_is_read(tmp_path):
    record = {"settings": {"epochs": 3}, "data": {"name": "Zoë"}}
    (tmp_path / run_folder.CONFIG).write_text(json.dumps(record))
    assert saved_run.load_record(tmp_path) == record


def test_a_folder_without_a_record(tmp_path):
    with pytest.raises(UserError, match=f"{tmp_path} is not a run folder.*config.json"):
        saved_run.load_record(tmp_path)
    with pytest.raises(UserError, match="is not a run folder"):
        saved_run.load_record(tmp_path / "nonesuch")


@pytest.mark.parametrize("damaged", [b"", b'{"config": ', b"\xff\xfe\x00", b"[1, 2]", b"3"])
def test_a_damaged_record(tmp_path, damaged):
    path = tmp_path / run_folder.CONFIG
    path.write_bytes(damaged)
    with pytest.raises(UserError, match=f"{path} is damaged") as error:
        saved_run.load_record(tmp_path)
    assert "\n" not in str(error.value)


def test_another_programs_record(tmp_path):
    (tmp_path / run_folder.CONFIG).write_text('{"architectures": ["Bert"]}')
    with pytest.raises(UserError, match="is another program's"):
        saved_run.load_record(tmp_path)
    assert not saved_run.is_run(tmp_path)
    (tmp_path / run_folder.CONFIG).write_text('{"settings": {}, "data": {}}')
    assert saved_run.is_run(tmp_path)
    (tmp_path / run_folder.CONFIG).write_text('{"settings"')
    assert saved_run.is_run(tmp_path)  # a run's own, damaged
    assert not saved_run.is_run(tmp_path / "nonesuch")


def _model(shape=(8, 8, 3), units=1):
    inputs = keras.Input(shape)
    return keras.Model(inputs, keras.layers.Dense(units, activation="sigmoid")(keras.layers.Flatten()(inputs)))


def _two_inputs():
    one, other = keras.Input((8, 8, 3)), keras.Input((8, 8, 3))
    return keras.Model([one, other], keras.layers.Dense(1)(keras.layers.Flatten()(one + other)))


def _two_outputs():
    inputs = keras.Input((8, 8, 3))
    flat = keras.layers.Flatten()(inputs)
    return keras.Model(inputs, [keras.layers.Dense(1)(flat), keras.layers.Dense(1)(flat)])


def test_a_classifier_is_loaded_and_predicts_the_same(tmp_path):
    model = _model()
    model.save(tmp_path / "model.keras")
    images = np.random.default_rng(0).uniform(0, 255, (3, 8, 8, 3)).astype("float32")
    for path in (tmp_path / "model.keras", str(tmp_path / "model.keras")):
        np.testing.assert_array_equal(
            saved_run.load_classifier(path).predict(images, verbose=0), model.predict(images, verbose=0)
        )


MODELS = {
    "not square": (lambda: _model((8, 6, 3)), r"input of shape \(None, 8, 6, 3\)"),
    "gray": (lambda: _model((8, 8, 1)), r"input of shape \(None, 8, 8, 1\)"),
    "numbers": (lambda: _model((8,)), r"input of shape \(None, 8\)"),
    "two inputs": (_two_inputs, "input of shape"),
    "two classes": (lambda: _model(units=2), r"output of shape \(None, 2\)"),
    "two outputs": (_two_outputs, "output of shape"),
}


@pytest.mark.parametrize(("make", "said"), MODELS.values(), ids=MODELS)
def test_another_model_is_refused(tmp_path, make, said):
    path = tmp_path / "model.keras"
    make().save(path)
    with pytest.raises(UserError, match=f"{path} (takes|gives) {said}"):
        saved_run.load_classifier(path)


def test_what_is_no_file(tmp_path):
    for path in (tmp_path, tmp_path / "nonesuch.keras"):
        with pytest.raises(UserError, match=f"{path} is not a file"):
            saved_run.load_classifier(path)


def _random_bytes(path):
    path.write_bytes(np.random.default_rng(0).bytes(1000))


def _another_zip(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "no model")


def _cut(path):
    _model().save(path)
    path.write_bytes(path.read_bytes()[:-500])


@pytest.mark.parametrize("damage", [lambda path: path.write_bytes(b""), _random_bytes, _another_zip, _cut])
def test_a_damaged_file_is_refused(tmp_path, damage):
    path = tmp_path / "model.keras"
    damage(path)
    with pytest.raises(UserError, match=f"{path} (is damaged, or not a|can't be loaded as a Keras)") as error:
        saved_run.load_classifier(path)
    assert "\n" not in str(error.value)


def test_a_file_without_the_suffix_is_refused(tmp_path):
    _model().save(tmp_path / "model.keras")
    (tmp_path / "model.keras").rename(tmp_path / "model.bin")
    with pytest.raises(UserError, match=r"model\.bin can't be loaded"):
        saved_run.load_classifier(tmp_path / "model.bin")


def test_a_run_names_its_data_sets():
    assert saved_run.dataset_names({"settings": {"dataset": "utkface,fairface"}}) == ["utkface", "fairface"]
    assert saved_run.dataset_names({"settings": {"dataset": "utkface"}}) == ["utkface"]
