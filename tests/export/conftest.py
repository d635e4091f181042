"""A run, its model and all its artefacts, exported once; a predictor that needs none of them."""

import os
import pathlib
import shutil
import subprocess
import sys

import numpy as np
import pytest

from gender_tfds import run_folder
from gender_tfds.drawn_faces.picture import encode_face
from gender_tfds.drawn_faces.traits import file_name
from gender_tfds.faces import split_of
from tests.conftest import FACES

HEAVY = {"tensorflow", "keras", "tensorflow_datasets", "jax"}


def loaded_by(code: str, folder: pathlib.Path, *arguments: str) -> set[str]:
    """Returns which heavy modules are loaded in a fresh process after some code ran in a folder."""
    code = f"import sys\n{code}\nprint('loaded:', *({HEAVY} & set(sys.modules)))"
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].removeprefix("loaded:").split())


@pytest.fixture(scope="session")
def test_faces() -> list[bytes]:
    """The encoded pictures of the test split that `data_dir` holds."""
    return [encode_face(index) for index in range(FACES) if split_of(file_name(index)) == "test"]


@pytest.fixture(scope="session")
def run(trained_run, test_faces, tmp_path_factory) -> pathlib.Path:
    """The trained run with its last layer stretched: two short epochs leave every face a little over 0.5.

    Here the faces get both labels and none lies on the threshold, so that swapped or lost labels would show.
    """
    from export import parity
    from gender_tfds.saved_run import load_classifier

    folder = tmp_path_factory.mktemp("stretched") / "run"
    shutil.copytree(trained_run, folder)
    model = load_classifier(folder / run_folder.MODEL)
    p_female = parity.reference_probabilities(model, test_faces).astype(np.float64)
    logits = np.sort(np.log(p_female / (1 - p_female)))
    middle = logits[len(logits) // 4 : -len(logits) // 4]
    gap = np.argmax(np.diff(middle))
    factor = 1 / logits.std()
    kernel, bias = model.layers[-1].get_weights()
    model.layers[-1].set_weights([kernel * factor, (bias - middle[gap : gap + 2].mean()) * factor])
    model.save(folder / run_folder.MODEL)
    return folder


@pytest.fixture(scope="session")
def model(run):
    """The run's Keras model; don't change it."""
    from gender_tfds.saved_run import load_classifier

    return load_classifier(run / run_folder.MODEL)


@pytest.fixture(scope="session")
def reference(model, test_faces) -> np.ndarray:
    """The Keras model's p(female) of `test_faces`."""
    from export.parity import reference_probabilities

    return reference_probabilities(model, test_faces)


@pytest.fixture(scope="session")
def artefacts(run, data_dir, tmp_path_factory) -> pathlib.Path:
    """The folder with every artefact of the run; read it, don't write to it."""
    from export.export_model import EMITTERS, export_run

    folder = tmp_path_factory.mktemp("exported") / "artefacts"
    export_run(run, folder, tuple(EMITTERS), data_dir=str(data_dir))
    return folder


@pytest.fixture
def model_copy(model):
    """The run's Keras model, to be changed."""
    import keras

    copy = keras.models.clone_model(model)
    copy.set_weights(model.get_weights())
    return copy


@pytest.fixture(scope="session")
def facts(model, run):
    """The metadata that goes into each artefact."""
    from export.metadata import make_metadata
    from gender_tfds.saved_run import load_record

    return make_metadata(model.input_shape[1], load_record(run))


class Brightness:
    """A predictor whose score tells pictures apart and doesn't depend on the batch: a picture's mean, in [0, 1]."""

    image_size = 16
    note = "no model"
    metadata = {"threshold": 0.5, "image_size": image_size}  # noqa: RUF012

    def predict(self, images: np.ndarray) -> np.ndarray:
        return (images.reshape(len(images), -1).mean(axis=1, dtype=np.float64) / 255).astype(np.float32)


@pytest.fixture
def brightness() -> Brightness:
    return Brightness()


@pytest.fixture(autouse=True)
def _keep_environment(monkeypatch):
    """Restores what a command sets in this process."""
    for name in ("KERAS_BACKEND", "TF_CPP_MIN_LOG_LEVEL"):
        if name in os.environ:
            monkeypatch.setenv(name, os.environ[name])
        else:
            monkeypatch.delenv(name, raising=False)
