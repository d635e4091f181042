"""An .onnx file: valid, of any batch size, its metadata inside; the packages that make it are an extra."""

import json

import onnx
import pytest

from export import commands, onnx_model
from export.metadata import METADATA


def test_it_is_valid_and_takes_any_number_of_pixels(artefacts):
    file = onnx.load(artefacts / "model.onnx")
    onnx.checker.check_model(file, full_check=True)
    shapes = {
        value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim]
        for value in (*file.graph.input, *file.graph.output)
    }
    assert shapes == {"pixels": ["n", 32, 32, 3], "p_female": ["n", 1]}
    assert {one.domain: one.version for one in file.opset_import}[""] == onnx_model.OPSET
    # of the standard alone: no operator that one runtime knows
    assert {node.domain for node in file.graph.node} == {""}


def test_its_metadata_is_inside_and_described(artefacts, facts, capsys):
    properties = {one.key: one.value for one in onnx.load(artefacts / "model.onnx").metadata_props}
    as_json = json.loads(json.dumps(facts))
    assert json.loads(properties[METADATA]) == as_json
    assert commands.export([f"--describe={artefacts / 'model.onnx'}"]) == 0
    assert json.loads(capsys.readouterr().out) == as_json


def test_emitting_leaves_the_model_as_it_is(artefacts, model_copy, facts, tmp_path):
    """So a second file has the first one's weights; their order and names are tf2onnx's."""
    for name in ("first.onnx", "second.onnx"):
        onnx_model.emit_onnx(model_copy, tmp_path / name, facts)
    paths = [artefacts / "model.onnx", tmp_path / "first.onnx", tmp_path / "second.onnx"]
    weights = [sorted(tensor.raw_data for tensor in onnx.load(path).graph.initializer) for path in paths]
    assert weights[0] == weights[1] == weights[2]


@pytest.mark.parametrize("missing", onnx_model.PACKAGES)
def test_without_the_extra_it_is_told_before_anything_is_done(tmp_path, monkeypatch, missing, capsys):
    found = onnx_model.importlib.util.find_spec
    monkeypatch.setattr(
        onnx_model.importlib.util, "find_spec", lambda name, *rest: None if name == missing else found(name, *rest)
    )
    (tmp_path / "config.json").write_text('{"settings": {}, "data": {}}')
    flags = [f"--workdir={tmp_path}", f"--output_dir={tmp_path / 'out'}"]
    assert commands.export([*flags, "--formats=float32,onnx"]) == 2
    assert capsys.readouterr().err == (
        f"gender-export: --formats=onnx needs {missing}; install what is missing with pip install"
        ' "gender-classifier[onnx]"\n'
    )
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]
    # the other formats don't ask for it
    assert commands.export([*flags, "--formats=float32"]) == 2
    assert "cnn_gender_classifier.keras is not a file; a run folder holds it" in capsys.readouterr().err
