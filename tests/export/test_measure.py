"""One artefact, measured: the artefact's own answers, in a process that began small."""

import pathlib

import numpy as np
import pytest

from export import measure
from export.export_model import EMITTERS
from export.measure import measure as measured
from gender_tfds import run_folder
from gender_tfds.user_error import UserError

TOLERANCES = {file: tolerance.difference for _, file, tolerance in EMITTERS.values()}


@pytest.fixture(scope="module")
def pictures(test_faces, tmp_path_factory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("faces")
    for index, encoded in enumerate(test_faces):
        (folder / f"{index:06}").write_bytes(encoded)
    return folder


@pytest.mark.parametrize("file", [*TOLERANCES, run_folder.MODEL])
def test_each_format_is_measured_and_gives_its_answers(artefacts, run, pictures, reference, tmp_path, file):
    path = (run if file == run_folder.MODEL else artefacts) / file
    result = measured(path, pictures, threads=1, batch_size=20, seconds=0.01, answers=str(tmp_path / "answers.npy"))
    assert result["threshold"] == 0.5
    assert min(result[name] for name in ("load_s", "memory_mb", "latency_ms", "throughput")) > 0
    answers = np.load(tmp_path / "answers.npy")
    np.testing.assert_allclose(answers, reference, rtol=0, atol=TOLERANCES.get(file, 1e-4))
    assert np.abs(answers[::-1] - reference).max() > TOLERANCES.get(file, 1e-4)


def test_fewer_pictures_than_a_batch_are_repeated(artefacts, test_faces, tmp_path):
    folder = tmp_path / "faces"
    folder.mkdir()
    (folder / "0").write_bytes(test_faces[0])
    file, answers = artefacts / "model.onnx", tmp_path / "answers.npy"
    measured(file, folder, threads=1, batch_size=7, seconds=0.01, answers=str(answers))
    assert np.load(answers).shape == (1,)
    (folder / "1").write_bytes(b"no picture")
    with pytest.raises(ValueError, match="a picture can't be decoded"):
        measured(file, folder, threads=1, batch_size=7, seconds=0.01)


def test_what_a_call_takes_is_told(monkeypatch):
    """A clock that a call puts forward by 3 seconds, as often as is needed for 10."""
    clock = [0.0]
    monkeypatch.setattr(measure.time, "perf_counter", lambda: clock[0])

    def predict(images):
        clock[0] += images

    assert measure.call_seconds(predict, 3, seconds=25) == [3] * 9
    assert measure.call_seconds(predict, 3, seconds=1) == [3] * 5  # few slow calls would say nothing


def test_what_is_no_artefact_is_told(pictures, tmp_path):
    (tmp_path / "random.onnx").write_bytes(b"no model")
    with pytest.raises(UserError, match="is damaged"):
        measured(tmp_path / "random.onnx", pictures, threads=1, batch_size=1, seconds=0.01)
