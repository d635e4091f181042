"""A .tflite file: built-in operators, batch 1 in the signature and any batch in Python, its metadata inside."""

import json
import pathlib
import shutil
import subprocess
import zipfile

import numpy as np
import pytest
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
from ai_edge_litert.tools import flatbuffer_utils

from export import export_model, tflite
from export.associated_files import CHECKSUM
from export.metadata import METADATA
from export.predictor import decode_all, load_predictor
from gender_tfds import faces, run_folder
from gender_tfds.user_error import UserError

FORMATS = {name: file for name, (_, file, _) in export_model.EMITTERS.items() if file.endswith(".tflite")}


def plant_operator(source: pathlib.Path, target: pathlib.Path, name: str) -> None:
    """Copies a file and calls one of its operators a custom one by this name."""
    file = flatbuffer_utils.read_model(str(source))
    code = file.operatorCodes[0]
    code.builtinCode, code.deprecatedBuiltinCode = schema.BuiltinOperator.CUSTOM, schema.BuiltinOperator.CUSTOM
    code.customCode = name.encode()
    target.write_bytes(flatbuffer_utils.convert_object_to_bytearray(file))


@pytest.fixture(params=FORMATS.values())
def path(artefacts, request) -> pathlib.Path:
    return artefacts / request.param


def test_operators_are_built_in(path):
    found = tflite.operators(path)
    assert {"CONV_2D", "FULLY_CONNECTED", "LOGISTIC"} <= found
    assert found <= {name for name in vars(schema.BuiltinOperator) if name.isupper()} - {"CUSTOM"}


def test_an_operator_of_tensorflows_own_is_seen(artefacts, tmp_path):
    plant_operator(artefacts / "model_float32.tflite", tmp_path / "flex.tflite", "FlexErfinv")
    assert "FlexErfinv" in tflite.operators(tmp_path / "flex.tflite")


def test_batch_is_1_in_the_signature_and_7_on_request(path):
    interpreter = Interpreter(str(path))
    details = interpreter.get_input_details()[0]
    assert details["shape"].tolist() == details["shape_signature"].tolist() == [1, 32, 32, 3]
    kind = np.uint8 if path.name == "model_int8.tflite" else np.float32
    assert details["dtype"] == kind
    interpreter.resize_tensor_input(details["index"], (7, 32, 32, 3))
    interpreter.allocate_tensors()
    interpreter.set_tensor(details["index"], np.zeros((7, 32, 32, 3), kind))
    interpreter.invoke()
    assert interpreter.get_tensor(interpreter.get_output_details()[0]["index"]).shape == (7, 1)


def test_without_make_resizable_it_takes_one_picture_only(model, facts, tmp_path, monkeypatch):
    monkeypatch.setattr(tflite, "_make_resizable", lambda path: None)
    tflite.emit_tflite(model, tmp_path / "fixed.tflite", facts)
    predictor = load_predictor(tmp_path / "fixed.tflite")
    images = np.zeros((7, 32, 32, 3), np.uint8)
    assert predictor.predict(images[:1]).shape == (1,)
    with pytest.raises(UserError, match=r"fixed\.tflite is damaged"):
        predictor.predict(images)


def test_labels_and_metadata_are_inside(path, facts):
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert sorted(archive.namelist()) == sorted([METADATA, run_folder.LABELS, CHECKSUM])
        assert archive.read(run_folder.LABELS) == b"male\nfemale\n"
        assert json.loads(archive.read(METADATA)) == facts
    assert facts["labels"] == list(faces.GENDERS)
    assert facts["image_size"] == 32


@pytest.mark.skipif(not shutil.which("unzip"), reason="needs the unzip command")
def test_unzip_prints_the_metadata(path, facts):
    # it warns of the model before the archive and ends with status 1; what it prints is whole
    done = subprocess.run(["unzip", "-p", path, METADATA], capture_output=True, check=False)
    assert json.loads(done.stdout) == facts


def test_smaller_weights_make_smaller_files(artefacts):
    sizes = {name: (artefacts / file).stat().st_size for name, file in FORMATS.items()}
    assert max(sizes["dynamic_int8"], sizes["int8"]) < sizes["float16"] < sizes["float32"]


def test_int8_computes_in_int8_and_is_chosen_by_the_calibration_faces(artefacts, model, facts, test_faces, tmp_path):
    interpreter = Interpreter(str(artefacts / "model_int8.tflite"))
    images_inside = [detail for detail in interpreter.get_tensor_details() if len(detail["shape"]) == 4]
    assert {detail["dtype"] for detail in images_inside} == {np.int8, np.uint8}  # uint8: the input alone
    assert not any(detail["name"] for detail in images_inside if detail["dtype"] == np.int8)
    images, _ = decode_all(test_faces, 32)
    right = load_predictor(artefacts / "model_int8.tflite").predict(images)
    tflite.emit_int8(model, tmp_path / "dark.tflite", facts, np.zeros((8, 32, 32, 3), np.uint8))
    dark = load_predictor(tmp_path / "dark.tflite").predict(images)
    expected = model.predict(images, verbose=0)[:, 0]
    assert np.abs(right - expected).max() < 0.2 < np.abs(dark - expected).max()


def test_emitting_leaves_the_model_as_it_is(model, model_copy, facts, tmp_path):
    before = [weight.copy() for weight in model_copy.get_weights()]
    tflite.emit_dynamic_int8(model_copy, tmp_path / "model.tflite", facts)
    for weight, kept in zip(model_copy.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, kept)
    assert [file.name for file in tmp_path.iterdir()] == ["model.tflite"]
