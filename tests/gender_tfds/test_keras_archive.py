"""keras_archive: a stranger's `.keras` file runs no code and takes no more memory than its size lets one expect."""

import io
import pathlib
import pickle
import random
import zipfile

import keras
import numpy as np
import pytest

from gender_tfds import keras_archive, saved_run
from gender_tfds.user_error import UserError


@pytest.fixture(scope="module")
def members(tmp_path_factory):
    """The members of a sound archive, by name."""
    path = tmp_path_factory.mktemp("sound") / "model.keras"
    inputs = keras.Input((8, 8, 3))
    keras.Model(inputs, keras.layers.Dense(1, activation="sigmoid")(keras.layers.Flatten()(inputs))).save(path)
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _write(path, members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


class _Payload:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return pathlib.Path.touch, (self.path,)


def _object_array(payload):
    file = io.BytesIO()
    np.savez(file, layer=np.array(payload, dtype=object))
    return file.getvalue()


PAYLOADS = {
    "pickle for weights": lambda payload: {"model.weights.h5": pickle.dumps(payload)},
    "array of objects": lambda payload: {"model.weights.npz": _object_array(payload)},
}


@pytest.mark.parametrize("make", PAYLOADS.values(), ids=PAYLOADS)
def test_a_pickled_payload_is_not_run(members, tmp_path, make):
    mark = tmp_path / "mark"
    pickle.loads(pickle.dumps(_Payload(mark)))  # noqa: S301 (our own)
    assert mark.exists()  # it would
    mark.unlink()
    content = {name: members[name] for name in ("metadata.json", "config.json")} | make(_Payload(mark))
    with pytest.raises(UserError, match="can't be loaded as a Keras model") as error:
        saved_run.load_model(_write(tmp_path / "model.keras", content))
    assert "\n" not in str(error.value)
    assert not mark.exists()


def _touch_layer(mark):
    inputs = keras.Input((8, 8, 3))
    # by a name that is known wherever the code is run
    touched = keras.layers.Lambda(lambda x: (__import__("pathlib").Path(mark).touch(), x)[1])(inputs)
    return keras.Model(inputs, keras.layers.Dense(1)(keras.layers.Flatten()(touched)))


def test_the_code_of_a_lambda_layer_is_not_run(tmp_path):
    mark = tmp_path / "mark"
    _touch_layer(str(mark)).save(tmp_path / "model.keras")
    mark.unlink()
    keras.saving.load_model(tmp_path / "model.keras", safe_mode=False)
    assert mark.exists()  # it would
    mark.unlink()
    with pytest.raises(UserError, match="Lambda"):
        saved_run.load_model(tmp_path / "model.keras")
    assert not mark.exists()


def test_a_function_of_pythons_named_as_a_layer_is_not_called(members, tmp_path):
    mark = tmp_path / "mark"
    config = (
        f'{{"module": "os", "class_name": "system", "config": {{"command": "touch {mark}"}}, "registered_name": null}}'
    )
    with pytest.raises(UserError, match="can't be loaded as a Keras model"):
        saved_run.load_model(_write(tmp_path / "model.keras", members | {"config.json": config}))
    assert not mark.exists()


def test_weights_that_inflate_are_refused_before_they_are_unpacked(members, tmp_path, monkeypatch):
    content = members | {"model.weights.h5": members["model.weights.h5"] + bytes(200 << 20)}
    path = _write(tmp_path / "model.keras", content, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 1 << 20
    with pytest.raises(UserError, match=r"its \d+,\d+ bytes would unpack to 209,\d+,\d+"):
        saved_run.load_model(path)
    monkeypatch.setattr(keras_archive, "_FREE", 1 << 30)
    saved_run.load_model(path)  # a bound, and no other fault


def test_a_network_larger_than_its_file_is_refused_before_there_is_room_for_it(members, tmp_path):
    grown = members["config.json"].replace(b'"units": 1,', b'"units": 30000000,')
    assert grown != members["config.json"]
    path = _write(tmp_path / "model.keras", members | {"config.json": grown})
    with pytest.raises(UserError, match=r"its 16,\d+ bytes describe a network of 23,160,000,000"):
        saved_run.load_model(path)
    with keras.StatelessScope():  # nothing is left that Keras would make room for now
        pass


def test_a_sound_file_is_let_pass_and_draws_no_random_number(members, tmp_path):
    random.seed(0)
    expected = random.random()
    random.seed(0)
    keras_archive.check_archive(_write(tmp_path / "model.keras", members))
    assert random.random() == expected
