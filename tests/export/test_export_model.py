"""gender-export's work: all formats, their record, and nothing published that differs from the Keras model."""

import json
import pathlib
import re
import shutil

import numpy as np
import pytest

from export import export_model, tflite
from export.export_model import EMITTERS, RESULTS, RefusedError, export_run, publish
from export.metadata import make_metadata
from export.predictor import load_predictor
from gender_tfds import run_folder
from gender_tfds.folder_lock import LOCK
from gender_tfds.user_error import UserError
from tests.export.test_parity import Altered
from tests.export.test_tflite import plant_operator

FLOAT32, TOLERANCE = EMITTERS["float32"][1:]


def tree(folder: pathlib.Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != LOCK)


def test_every_artefact_is_published_and_nothing_else(artefacts):
    assert tree(artefacts) == sorted([RESULTS, *(file for _, file, _ in EMITTERS.values())])


def test_the_record_tells_what_was_compared(artefacts, test_faces):
    results = json.loads((artefacts / RESULTS).read_text())
    assert list(results) == list(EMITTERS)
    for name, (_, file, tolerance) in EMITTERS.items():
        result = results[name]
        compared = ["n", "mean_difference", "worst_difference", "labels_changed", "latency_ms", "accuracy"]
        assert list(result) == ["file", "bytes", *compared]
        path = artefacts / file
        files = [path] if path.is_file() else [part for part in path.rglob("*") if part.is_file()]
        assert result["file"] == file
        assert result["bytes"] == sum(part.stat().st_size for part in files) > 0
        assert result["n"] == len(test_faces)
        assert 0 <= result["mean_difference"] <= result["worst_difference"] <= tolerance.difference
        assert result["labels_changed"] <= tolerance.labels_changed * result["n"]
        assert result["latency_ms"] > 0
        assert result["accuracy"]["keras"] == results["float32"]["accuracy"]["keras"]
        assert result["accuracy"]["artefact"] >= result["accuracy"]["keras"] - tolerance.accuracy_drop
    # lossy formats do differ: the comparison looks at the artefact and not at Keras twice
    assert results["dynamic_int8"]["worst_difference"] > results["float32"]["worst_difference"]


def test_the_same_run_gives_the_same_bytes(artefacts, run, data_dir, tmp_path):
    # of a SavedModel and an .onnx file only a process of its own gives the same: they name functions by their number
    export_run(run, tmp_path, ("float32", "int8"), data_dir=str(data_dir), max_faces=20)
    for path in tmp_path.glob("model*"):
        assert path.read_bytes() == (artefacts / path.name).read_bytes(), path.name
    assert len(list(tmp_path.glob("model*"))) == 2
    # the planted failure: the bytes tell of what is in them
    assert (tmp_path / FLOAT32).read_bytes() != (artefacts / "model_float16.tflite").read_bytes()


def test_metadata_names_the_model_and_its_data(run):
    record = json.loads((run / run_folder.CONFIG).read_text())
    facts = make_metadata(32, record)
    assert facts["labels"] == ["male", "female"]
    assert facts["image_size"] == 32
    assert facts["threshold"] == 0.5
    assert facts["data"].startswith("drawn_faces/")
    assert re.fullmatch("[0-9a-f]{64}", facts["data_sha256"])
    assert facts["data_sha256"] == record["data"]["sha256"]


@pytest.mark.parametrize(
    ("formats", "told"),
    [
        (("float32", "coreml"), "--formats=float32,coreml: give one or more of saved_model, float32, float16"),
        ((), "--formats=: give one or more of saved_model, float32, float16"),
    ],
)
def test_an_unknown_format_is_told_before_anything_is_done(tmp_path, formats, told):
    with pytest.raises(UserError, match=re.escape(told)):
        export_run(tmp_path / "no_run", tmp_path / "out", formats)
    assert tree(tmp_path) == []


def test_a_run_that_is_none_is_told(tmp_path):
    with pytest.raises(UserError, match=r"is not a run folder"):
        export_run(tmp_path, tmp_path / "out", ("float32",))
    assert tree(tmp_path) == []


def test_a_run_without_its_record_is_told(run, tmp_path):
    shutil.copy(run / run_folder.MODEL, tmp_path)
    with pytest.raises(UserError, match="is not a run folder"):
        export_run(tmp_path, tmp_path / "out", ("float32",))
    assert tree(tmp_path) == [run_folder.MODEL]


def test_data_that_is_not_there_is_told(run, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="build it with"):
        export_run(run, tmp_path / "out", ("float32",), data_dir=str(tmp_path / "empty"))
    assert tree(tmp_path) == ["empty"]


def test_an_output_folder_that_cannot_be_one_is_told(run, data_dir, tmp_path):
    (tmp_path / "file").write_text("precious")
    for output in (tmp_path / "file", tmp_path / "file" / "out"):
        with pytest.raises(UserError, match=r"--output_dir=.* is a file, or lies in one; give a folder"):
            export_run(run, output, ("float32",), data_dir=str(data_dir), max_faces=2)
    assert (tmp_path / "file").read_text() == "precious"


def copied(artefacts: pathlib.Path):
    return lambda path: shutil.copy(artefacts / FLOAT32, path)


def test_what_passes_is_published_and_replaces_the_old(artefacts, reference, test_faces, tmp_path):
    (tmp_path / FLOAT32).write_text("old")
    result = publish(copied(artefacts), tmp_path / FLOAT32, reference, test_faces, TOLERANCE)
    assert result["n"] == len(test_faces)
    assert (tmp_path / FLOAT32).read_bytes() == (artefacts / FLOAT32).read_bytes()
    assert tree(tmp_path) == [FLOAT32]


def test_a_saved_model_replaces_the_old_folder(artefacts, reference, test_faces, tmp_path):
    (tmp_path / "saved_model" / "2").mkdir(parents=True)
    tolerance = EMITTERS["saved_model"][2]

    def emit(path: pathlib.Path) -> None:
        shutil.copytree(artefacts / "saved_model", path)

    publish(emit, tmp_path / "saved_model", reference, test_faces, tolerance)
    assert tree(tmp_path / "saved_model") == ["1"]
    assert tree(tmp_path) == ["saved_model"]
    with pytest.raises(RefusedError):
        publish(emit, tmp_path / "saved_model", 1 - reference, test_faces, tolerance)
    assert tree(tmp_path / "saved_model") == ["1"]
    assert load_predictor(tmp_path / "saved_model").image_size == 32


@pytest.mark.parametrize("old", [None, b"an older, good artefact"])
@pytest.mark.parametrize(
    "alteration",
    [
        {"answers": lambda answers: 1 - answers},
        {"answers": lambda answers: answers * np.nan},
        {"answers": lambda answers: np.full_like(answers, answers[0])},
        {"images": lambda images: images[..., ::-1]},
    ],
    ids=["swapped", "nan", "wrong_in_batches", "bgr"],
)
def test_what_differs_leaves_nothing(artefacts, reference, test_faces, tmp_path, monkeypatch, alteration, old):
    if old:
        (tmp_path / FLOAT32).write_bytes(old)
    monkeypatch.setattr(export_model, "load_predictor", lambda path: Altered(load_predictor(path), **alteration))
    with pytest.raises(RefusedError, match="p_female differs by"):
        publish(copied(artefacts), tmp_path / FLOAT32, reference, test_faces, TOLERANCE)
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == ({FLOAT32: old} if old else {})


@pytest.mark.parametrize("name", ["float32", "saved_model", "onnx"])
def test_one_wrong_weight_is_refused(model_copy, reference, test_faces, facts, tmp_path, name):
    emit, file, _ = EMITTERS[name]
    layer = next(layer for layer in model_copy.layers if layer.weights)
    kernel, bias = layer.get_weights()
    kernel[1, 1, 0, 0] += 1
    layer.set_weights([kernel, bias])
    with pytest.raises(RefusedError, match="p_female differs by"):
        publish(lambda partial: emit(model_copy, partial, facts), tmp_path / file, reference, test_faces, TOLERANCE)
    assert tree(tmp_path) == []


def test_an_operator_that_devices_lack_is_refused(artefacts, reference, test_faces, tmp_path):
    def emit(path: pathlib.Path) -> None:
        plant_operator(artefacts / FLOAT32, path, "FlexErfinv")

    with pytest.raises(RefusedError, match="it needs TensorFlow's own operators: FlexErfinv"):
        publish(emit, tmp_path / FLOAT32, reference, test_faces, TOLERANCE)
    assert tree(tmp_path) == []


def test_what_does_not_run_is_refused(model, reference, test_faces, facts, artefacts, tmp_path, monkeypatch):
    def torn(path: pathlib.Path) -> None:
        shutil.copytree(artefacts / "saved_model", path)
        (path / "1" / "saved_model.pb").write_bytes(b"torn")

    with pytest.raises(RefusedError, match=r"it does not run: .* is damaged"):
        publish(torn, tmp_path / "saved_model", reference, test_faces, TOLERANCE)
    monkeypatch.setattr(tflite, "_make_resizable", lambda path: None)
    with pytest.raises(RefusedError, match="it does not run: "):
        publish(
            lambda path: tflite.emit_tflite(model, path, facts), tmp_path / FLOAT32, reference, test_faces, TOLERANCE
        )
    assert tree(tmp_path) == []


def test_a_refusal_stops_no_other_format_and_is_recorded(run, data_dir, tmp_path, monkeypatch):
    def corrupted(model, path, metadata, calibration):
        tflite.emit_tflite(model, path, metadata)
        plant_operator(path, path, "FlexErfinv")

    monkeypatch.setitem(EMITTERS, "float32", (corrupted, FLOAT32, TOLERANCE))
    (tmp_path / FLOAT32).write_text("old")
    results = export_run(run, tmp_path, ("float32", "float16"), data_dir=str(data_dir), max_faces=5)
    assert results["float32"] == {
        "file": FLOAT32,
        "refused": "it needs TensorFlow's own operators: FlexErfinv",
    }
    assert results["float16"]["n"] == 5
    assert json.loads((tmp_path / RESULTS).read_text()) == results
    assert tree(tmp_path) == sorted([RESULTS, FLOAT32, "model_float16.tflite"])
    assert (tmp_path / FLOAT32).read_text() == "old"


def test_a_model_that_no_converter_takes_is_refused_in_a_sentence(reference, test_faces, tmp_path):
    def fails(path: pathlib.Path) -> None:
        path.write_bytes(b"half")
        raise ValueError("no such layer\nand more")

    with pytest.raises(RefusedError, match=r"^it can't be made: no such layer$"):
        publish(fails, tmp_path / FLOAT32, reference, test_faces, TOLERANCE)
    assert tree(tmp_path) == []


def test_the_record_keeps_what_an_earlier_export_published_and_is_still_there(run, data_dir, tmp_path):
    gone = {"file": "model_float16.tflite", "n": 1}
    there = {"file": "model_int8.tflite", "n": 1}
    (tmp_path / "model_int8.tflite").write_text("an artefact")
    (tmp_path / RESULTS).write_text(json.dumps({"float16": gone, "int8": there, "saved_model": {"refused": "why"}}))
    export_run(run, tmp_path, ("float32",), data_dir=str(data_dir), max_faces=5)
    results = json.loads((tmp_path / RESULTS).read_text())
    assert list(results) == ["int8", "float32"]
    assert results["int8"] == there
    (tmp_path / RESULTS).write_text("torn")
    export_run(run, tmp_path, ("float32",), data_dir=str(data_dir), max_faces=5)
    assert list(json.loads((tmp_path / RESULTS).read_text())) == ["float32"]
