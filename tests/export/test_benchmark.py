"""Artefacts beside each other: in processes of their own, by the reference's answers and by the labels."""

import json
import pathlib
import resource
import shutil

import numpy as np
import onnx
import pytest

from export import benchmark as module
from export.benchmark import SPREAD, Pictures, benchmark
from export.metadata import METADATA
from gender_tfds.user_error import UserError

QUICK = {"rounds": 1, "seconds": 0.01, "batch_size": 16}


@pytest.fixture
def pictures(test_faces, reference) -> Pictures:
    """Faces of which the model takes each for what it is, but for the first five."""
    labels = (reference > 0.5).astype(int)
    labels[:5] = 1 - labels[:5]
    return Pictures(test_faces, "drawn", labels)


@pytest.fixture
def stricter(artefacts, tmp_path, facts) -> pathlib.Path:
    """The ONNX file with a threshold of 0.7."""
    file = onnx.load(artefacts / "model.onnx")
    onnx.helper.set_model_props(file, {METADATA: json.dumps(facts | {"threshold": 0.7})})
    onnx.save(file, tmp_path / "stricter.onnx")
    return tmp_path / "stricter.onnx"


def test_a_table_of_artefacts(artefacts, stricter, pictures, reference):
    float32 = artefacts / "model_float32.tflite"
    table = benchmark([str(float32), str(stricter)], pictures, reference=str(float32), threads=2, **QUICK)
    assert table["artefact"].tolist() == [str(float32)] * 2 + [str(stricter)] * 2
    assert table["threads"].tolist() == [1, 2, 1, 2]
    assert table["bytes"].tolist() == [path.stat().st_size for path in (float32, float32, stricter, stricter)]
    for name in SPREAD:
        assert (table[name] > 0).all()
        assert (table[f"{name}_low"] == table[name]).all()  # of one round
    assert table["n"].tolist() == [len(reference)] * 4
    # the planted fault: with another threshold some labels change, and no probability does
    changed = int(((reference > 0.5) & (reference <= 0.7)).sum())
    assert changed > 0
    assert table["labels_changed"].tolist() == [0, 0, changed, changed]
    assert (table["worst_difference"] < 1e-4).all()
    assert table["times_faster"][0] == 1
    right = (len(reference) - 5) / len(reference)
    assert table["accuracy"][:2].tolist() == [right, right]
    assert table["accuracy_low"][0] < right < table["accuracy_high"][0]
    assert table["accuracy"][2] == np.mean((reference > 0.7) == pictures.labels)


def test_each_is_measured_in_fresh_processes_whatever_lies_beside(artefacts, test_faces, tmp_path, monkeypatch):
    """This process has TensorFlow in it; the folder holds a file that would be imported instead of NumPy."""
    (tmp_path / "numpy.py").write_text("raise RuntimeError('not NumPy')")
    monkeypatch.chdir(tmp_path)
    shutil.copy(artefacts / "model.onnx", tmp_path / "\udcff.onnx")
    table = benchmark(["\udcff.onnx"], Pictures(test_faces[:3], "drawn"), threads=1, **QUICK | {"rounds": 3})
    assert table["artefact"].tolist() == [r"\xff.onnx"]
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    assert table["memory_mb"][0] < own / 2
    for name in ("load_s", "latency_ms", "throughput"):
        assert table[f"{name}_low"][0] < table[name][0] < table[f"{name}_high"][0]
    assert not {"accuracy", "labels_changed", "times_faster"} & set(table)


def test_what_cannot_be_measured_is_told(artefacts, test_faces, tmp_path, monkeypatch):
    (tmp_path / "random.tflite").write_bytes(b"no model")
    pictures = Pictures(test_faces[:2], "drawn")
    with pytest.raises(UserError, match=r"random.tflite is damaged, or not an artefact"):
        benchmark([str(tmp_path / "random.tflite")], pictures, **QUICK)
    monkeypatch.setattr(module, "_measured", lambda *_: pytest.fail("something was measured"))
    with pytest.raises(UserError, match="nowhere does not exist"):
        benchmark([str(artefacts / "model.onnx"), "nowhere"], pictures, **QUICK)


def test_a_process_that_dies_is_no_result(artefacts, test_faces, monkeypatch):
    monkeypatch.setattr(module.sys, "executable", shutil.which("false"))
    with pytest.raises(RuntimeError, match="ended its process with status 1"):
        benchmark([str(artefacts / "model.onnx")], Pictures(test_faces[:2], "drawn"), **QUICK)
