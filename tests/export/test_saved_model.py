"""The SavedModel answers in a process that can't import this project, encoded pictures as well as pixels."""

import base64
import json
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pytest

from export.metadata import METADATA
from export.predictor import decode_all
from gender_tfds import faces

# Runs where nothing of this project can be imported, though it is installed.
STRANGER = """
import sys

class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("gender_tfds", "trainer", "export"):
            raise ImportError("blocked: " + name)

sys.meta_path.insert(0, Nothing())
try:
    import export
except ImportError as error:
    assert str(error) == "blocked: export", error
else:
    raise SystemExit("the project can be imported")

import pathlib, numpy as np, tensorflow as tf

model = tf.saved_model.load("saved_model/1")
encoded = [pathlib.Path(name).read_bytes() for name in ("0.jpg", "1.jpg", "2.jpg", "3.png")]
answers = {
    "encoded": model.signatures["serving_default"](image_bytes=tf.constant(encoded)),
    "one": model.signatures["serving_default"](image_bytes=tf.constant(encoded[3:])),
    "pixels": model.signatures["serving_pixels"](images=tf.constant(np.load("images.npy"))),
}
arrays = {f"{way}_{name}": value.numpy() for way, answer in answers.items() for name, value in answer.items()}
arrays = {name: value.astype(str) if value.dtype == object else value for name, value in arrays.items()}
np.savez("answers.npz", **arrays)
try:
    model.signatures["serving_default"](image_bytes=tf.constant([encoded[0], b"no picture"]))
except tf.errors.InvalidArgumentError:
    pathlib.Path("refused").touch()
ours = [name for name in sys.modules if name.partition(".")[0] in ("gender_tfds", "trainer", "export")]
assert not ours, ours
"""


@pytest.fixture(scope="module")
def chosen(reference, test_faces) -> list[bytes]:
    """Three JPEGs and a PNG, among them both labels."""
    ends = [int(np.argmin(reference)), int(np.argmax(reference))]
    jpegs = [test_faces[index] for index in (*ends, 0)]
    png = cv2.imencode(".png", cv2.imdecode(np.frombuffer(test_faces[1], np.uint8), cv2.IMREAD_COLOR))[1].tobytes()
    return [*jpegs, png]


@pytest.fixture(scope="module")
def answers(artefacts, chosen, tmp_path_factory):
    folder = tmp_path_factory.mktemp("stranger")
    shutil.copytree(artefacts / "saved_model", folder / "saved_model")
    for index, data in enumerate(chosen):
        (folder / f"{index}.{'png' if index == 3 else 'jpg'}").write_bytes(data)
    images, _ = decode_all(chosen, 32)
    np.save(folder / "images.npy", images)
    done = subprocess.run(
        [sys.executable, "-I", "-c", STRANGER], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return {**np.load(folder / "answers.npz"), "refused": (folder / "refused").exists(), "images": images}


@pytest.mark.parametrize("way", ["encoded", "pixels"])
def test_both_signatures_answer_as_keras(answers, way, model):
    expected = model.predict(answers["images"], verbose=0)[:, 0]
    assert answers[f"{way}_p_female"].dtype == np.float32
    np.testing.assert_allclose(answers[f"{way}_p_female"], expected, rtol=0, atol=1e-4)
    labels = [faces.GENDERS[int(p_female > 0.5)] for p_female in expected]
    assert answers[f"{way}_gender"].tolist() == labels
    assert labels[:2] == ["male", "female"]


def test_a_batch_of_one_gets_the_same_answer(answers):
    assert answers["one_p_female"].shape == (1,)
    np.testing.assert_allclose(answers["one_p_female"], answers["encoded_p_female"][3:], rtol=0, atol=1e-4)


def test_bytes_that_are_no_picture_are_refused_by_the_graph(answers):
    assert answers["refused"]


def test_the_folder_is_laid_out_for_a_server_and_carries_the_metadata(artefacts, facts):
    assert [folder.name for folder in (artefacts / "saved_model").iterdir()] == ["1"]
    version = artefacts / "saved_model" / "1"
    assert {"saved_model.pb", "variables", "assets.extra"} <= {path.name for path in version.iterdir()}
    assert json.loads((version / "assets.extra" / METADATA).read_text()) == facts


def test_each_weight_is_stored_once(artefacts, model):
    """Keras' archive stores what it is told to track beside what its endpoints use, a model twice."""
    import tensorflow as tf

    stored = tf.train.list_variables(str(artefacts / "saved_model" / "1" / "variables" / "variables"))
    shapes = [tuple(shape) for name, shape in stored if name.endswith("VARIABLE_VALUE")]
    assert sorted(shapes) == sorted(tuple(weight.shape) for weight in model.weights)


def test_the_stranger_notices_what_it_may_not_have(tmp_path):
    """The planted failure: without the block the same script stops, since the project is installed."""
    script = STRANGER.replace("sys.meta_path.insert(0, Nothing())", "")
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "the project can be imported" in done.stderr


def test_tensorflow_servings_request(artefacts, chosen, answers):
    """Read as TensorFlow Serving reads it: `b64` is decoded, and a signature with one input gets the list of values."""
    import tensorflow as tf

    body = json.dumps({"instances": [{"b64": base64.b64encode(data).decode()} for data in chosen]})
    signature = tf.saved_model.load(str(artefacts / "saved_model" / "1")).signatures["serving_default"]
    (name,) = signature.structured_input_signature[1]
    values = [base64.b64decode(instance["b64"]) for instance in json.loads(body)["instances"]]
    answer = signature(**{name: tf.constant(values)})
    np.testing.assert_allclose(answer["p_female"], answers["encoded_p_female"], atol=1e-6)
    with pytest.raises(tf.errors.InvalidArgumentError):
        signature(**{name: tf.constant([json.dumps(one) for one in json.loads(body)["instances"]])})
