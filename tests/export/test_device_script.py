"""The README's script for a device: it needs LiteRT and NumPy alone, and answers as gender-score does."""

import pathlib
import re
import subprocess
import sys

import cv2
import numpy as np
import pytest

from export.predictor import load_predictor
from gender_tfds.drawn_faces.picture import draw_face
from gender_tfds.faces import GENDERS
from gender_tfds.images_cv import resize

README = pathlib.Path(__file__).parents[2] / "README.md"
ONLY = """import sys
class Nothing:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("cv2", "PIL", "export", "gender_tfds", "tensorflow", "keras"):
            raise ImportError(name)
sys.meta_path.insert(0, Nothing())
"""


@pytest.fixture(scope="module")
def script() -> str:
    (found,) = re.findall(r"```python\n# device.py\n(.*?)```", README.read_text(), re.DOTALL)
    assert len([line for line in found.splitlines() if line.strip()]) <= 36
    return found


@pytest.mark.parametrize("file", ["model_float32.tflite", "model_int8.tflite"])
@pytest.mark.parametrize("shape", [(32, 32), (70, 90)])
def test_it_answers_as_the_scorer(script, artefacts, tmp_path, file, shape):
    images = [cv2.resize(draw_face(index), shape[::-1]) for index in range(12)]
    predictor = load_predictor(artefacts / file)
    scores = predictor.predict(np.stack([resize(image, predictor.image_size) for image in images]))
    chosen = [int(np.argmin(scores)), int(np.argmax(scores))]
    images, expected = [images[index] for index in chosen], scores[chosen]
    assert abs(expected[0] - expected[1]) > 0.02  # the planted failure: the other face's answer
    for image, p_female in zip(images, expected, strict=True):
        cv2.imwrite(str(tmp_path / "face.ppm"), image[..., ::-1])
        command = [sys.executable, "-I", "-c", ONLY + script, str(artefacts / file), str(tmp_path / "face.ppm")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        label, score, note = done.stdout.split(maxsplit=2)
        assert label == GENDERS[int(p_female > 0.5)]
        # a byte that rounds the other way moves float32 little, and int8 by a step
        assert float(score) == pytest.approx(p_female, abs=0.01)
        assert "drawn by code" in note
