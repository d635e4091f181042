"""Every file that gender-export writes answers where nothing of this project can be imported, by its runtime alone.

The SavedModel's own test, encoded bytes included, is `test_saved_model.py`.
"""

import pathlib
import subprocess
import sys

import numpy as np
import pytest

from export.export_model import EMITTERS
from export.predictor import decode_all

FILES = {file: tolerance.difference for _, file, tolerance in EMITTERS.values() if "." in file}
BLOCK = """
import sys

class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("gender_tfds", "trainer", "export", "tensorflow", "keras"):
            raise ImportError("blocked: " + name)

sys.meta_path.insert(0, Nothing())
"""
STRANGER = """
try:
    import export
except ImportError as error:
    assert str(error) == "blocked: export", error
else:
    raise SystemExit("the project can be imported")

import sys
import numpy as np

pictures = np.load("images.npy")
batches = (pictures, pictures[:1])


def run_onnx(path):
    import onnxruntime

    session = onnxruntime.InferenceSession(path)
    return [session.run(["p_female"], {"pixels": batch.astype(np.float32)})[0] for batch in batches]


def run_tflite(path):
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(path)
    taken = interpreter.get_input_details()[0]
    for batch in batches:
        interpreter.resize_tensor_input(taken["index"], batch.shape)
        interpreter.allocate_tensors()
        interpreter.set_tensor(taken["index"], batch.astype(taken["dtype"]))
        interpreter.invoke()
        yield interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


for index, path in enumerate(sys.argv[1:]):
    answers = run_onnx(path) if path.endswith(".onnx") else run_tflite(path)
    np.save(f"{index}.npy", np.concatenate(list(answers))[:, 0])
"""


@pytest.fixture(scope="module", params=["drawn", "real"])
def pictures(request, test_faces) -> np.ndarray:
    """Decoded faces, uint8 (n, 32, 32, 3)."""
    if request.param == "drawn":
        return decode_all(test_faces, 32)[0]
    folder: pathlib.Path = request.getfixturevalue("utkface_folder")
    paths = sorted(folder.rglob("*.jpg"))
    images, errors = decode_all([path.read_bytes() for path in paths[:: len(paths) // 20]], 32)
    assert not any(errors)
    return images


def run(code: str, paths: list[pathlib.Path], images: np.ndarray, folder: pathlib.Path) -> subprocess.CompletedProcess:
    np.save(folder / "images.npy", images)
    command = [sys.executable, "-c", code, *map(str, paths)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def answers(artefacts, pictures, tmp_path_factory) -> dict[str, np.ndarray]:
    """Each file's p(female) of the pictures and, alone, of the first one again; all of one process."""
    folder = tmp_path_factory.mktemp("stranger")
    done = run(BLOCK + STRANGER, [artefacts / file for file in FILES], pictures, folder)
    assert done.returncode == 0, done.stderr
    return {file: np.load(folder / f"{index}.npy") for index, file in enumerate(FILES)}


@pytest.mark.parametrize("file", FILES)
def test_a_strangers_process_gets_keras_answers(answers, model, pictures, file):
    p_female, expected = answers[file], model.predict(pictures, verbose=0)[:, 0]
    np.testing.assert_allclose(p_female, [*expected, expected[0]], rtol=0, atol=FILES[file])
    # the planted failure: the other faces' answers don't pass
    assert np.abs(p_female[:-1][::-1] - expected).max() > FILES[file]


def test_the_stranger_notices_what_it_may_not_have(artefacts, tmp_path):
    done = run(STRANGER, [artefacts / "model.onnx"], np.zeros((2, 32, 32, 3), np.uint8), tmp_path)
    assert done.returncode == 1
    assert "the project can be imported" in done.stderr
