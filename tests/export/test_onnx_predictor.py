"""An .onnx file is run by ONNX Runtime alone; without it, and for what is no file of ours, there is a sentence."""

import pathlib
import shutil
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import onnx
import pytest

from export import commands
from export.metadata import METADATA
from export.onnx_predictor import OnnxPredictor
from export.predictor import decode_all, load_predictor, predictor_of_thread
from export.service import Model
from gender_tfds.drawn_faces.picture import encode_face
from gender_tfds.user_error import UserError
from tests.export.conftest import loaded_by


@pytest.fixture(scope="module")
def images(test_faces) -> np.ndarray:
    return decode_all(test_faces, 32)[0]


def test_it_needs_no_tensorflow_and_a_name_may_be_anything(artefacts, tmp_path, images, reference):
    shutil.copy(artefacts / "model.onnx", tmp_path / "\udcff .onnx")
    np.save(tmp_path / "images.npy", images)
    code = (
        "import numpy as np\nfrom export.predictor import load_predictor\n"
        "np.save('p_female.npy', load_predictor('\\udcff .onnx').predict(np.load('images.npy')))"
    )
    assert loaded_by(code, tmp_path) == set()
    np.testing.assert_allclose(np.load(tmp_path / "p_female.npy"), reference, rtol=0, atol=1e-4)


def test_threads_share_one_and_get_their_own_answers(artefacts, images, reference):
    of_thread = predictor_of_thread(artefacts / "model.onnx")

    def score(index: int) -> float:
        return float(of_thread().predict(images[index : index + 1])[0])

    with ThreadPoolExecutor(4) as pool:
        scores = list(pool.map(score, range(len(images))))
    np.testing.assert_allclose(scores, reference, rtol=0, atol=1e-4)


def test_scorer_and_server_take_it(artefacts, tmp_path, capsys):
    (tmp_path / "face.jpg").write_bytes(encode_face(0))
    answers = []
    for file in ("model.onnx", "model_float32.tflite"):
        assert commands.score([str(tmp_path / "face.jpg"), f"--model={artefacts / file}"]) == 0
        answers.append(float(capsys.readouterr().out.split(",")[-2]))
    assert answers[0] == pytest.approx(answers[1], abs=1e-4)
    assert Model.load(artefacts / "model.onnx").predictor.image_size == 32


def test_without_the_extra_it_is_told(artefacts, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert commands.export([f"--describe={artefacts / 'model.onnx'}"]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == (
        f"gender-export: --model={artefacts / 'model.onnx'} needs ONNX Runtime; install it with pip install"
        ' "gender-classifier[onnx]"\n'
    )


def changed(path: pathlib.Path, **metadata: str) -> pathlib.Path:
    file = onnx.load(path)
    onnx.helper.set_model_props(file, metadata)
    onnx.save(file, path)
    return path


def test_what_is_no_file_of_ours_is_told(artefacts, tmp_path, facts):
    good = (artefacts / "model.onnx").read_bytes()
    bad = {"empty": b"", "random": bytes(range(256)) * 20, "short": good[: len(good) // 2]}
    paths = [tmp_path / f"{name}.onnx" for name in bad]
    for path, content in zip(paths, bad.values(), strict=True):
        path.write_bytes(content)
    for name, metadata in {
        "none": {},
        "no_json": {METADATA: "labels"},
        "another": {METADATA: '{"labels": []}'},
    }.items():
        copy = shutil.copy(artefacts / "model.onnx", tmp_path / f"{name}.onnx")
        paths.append(changed(copy, **metadata))
    for path in paths:
        with pytest.raises(
            UserError, match=r"^--model=.* is damaged, or not an artefact of gender-export \(.+\)"
        ) as told:
            load_predictor(path)
        assert "\n" not in str(told.value)


def test_metadata_and_model_must_agree(artefacts, tmp_path):
    copy = pathlib.Path(shutil.copy(artefacts / "model.onnx", tmp_path))
    text = (artefacts / "model.onnx").read_bytes()
    copy.write_bytes(text.replace(b'"image_size": 32', b'"image_size": 33'))
    with pytest.raises(UserError, match=r"takes pictures of shape \[32, 32, 3\], not what its metadata says"):
        OnnxPredictor(copy)
