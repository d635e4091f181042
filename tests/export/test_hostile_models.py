"""A model that is damaged, a stranger's, or made to mislead is told in one sentence, and ends no process by a crash."""

import json
import pathlib
import random
import shutil
import subprocess
import sys

import onnx
import pytest

from export import commands
from export.associated_files import append_files
from export.metadata import METADATA
from export.predictor import load_predictor
from gender_tfds.user_error import UserError
from tests.export.test_onnx_predictor import changed
from tests.export.test_predictor import without_archive

# Loads each path that it reads, and lets what can be loaded score two pictures; a crash ends it.
TRY = """
import os, sys
import numpy as np
from export.predictor import load_predictor
from gender_tfds.user_error import UserError
for path in map(str.rstrip, sys.stdin):
    print(path, end=" ", flush=True)
    try:
        predictor = load_predictor(path)
        size = predictor.image_size
        print("shape", predictor.predict(np.zeros((2, size, size, 3), np.uint8)).shape)
    except UserError as error:
        print("told" if len(str(error).splitlines()) == 1 else "in many lines")
"""


def tried(paths: list[pathlib.Path]) -> list[str]:
    """Returns what became of each model, in a process of its own."""
    lines = "".join(f"{path}\n" for path in paths)
    done = subprocess.run([sys.executable, "-c", TRY], input=lines, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout[-500:], done.stderr[-2000:])
    return [line.partition(" ")[2] for line in done.stdout.splitlines()]


def mutated(content: bytes, number: int) -> list[bytes]:
    """Returns copies in which bits are flipped, or whose end is missing; often near the beginning, where a graph is."""
    copies = []
    for index in range(number):
        rng, copy = random.Random(index), bytearray(content)
        if index % 3 == 2:
            copies.append(content[: rng.randrange(len(content))])
            continue
        for _ in range((1, 30)[index % 3]):
            copy[rng.randrange(rng.choice((2000, len(copy))))] ^= 1 << rng.randrange(8)
        copies.append(bytes(copy))
    return copies


def signed(path: pathlib.Path, model: bytes, facts: dict) -> pathlib.Path:
    """Writes a `.tflite` file whose checksum is right, as one who means harm would."""
    path.write_bytes(model)
    append_files(path, facts)
    return path


def test_a_mutated_tflite_file_with_a_right_checksum_crashes_nothing(artefacts, facts, tmp_path):
    copies = mutated(without_archive(artefacts / "model_float32.tflite"), 60)
    paths = [signed(tmp_path / f"{index}.tflite", copy, facts) for index, copy in enumerate(copies)]
    found = tried([*paths, artefacts / "model_float32.tflite"])
    assert set(found) <= {"told", "shape (2,)"}
    assert found.count("told") > 20  # of which a third have no end
    assert found[-1] == "shape (2,)"


def test_a_mutated_onnx_file_crashes_nothing(artefacts, tmp_path):
    paths = [tmp_path / f"{index}.onnx" for index in range(60)]
    for path, copy in zip(paths, mutated((artefacts / "model.onnx").read_bytes(), 60), strict=True):
        path.write_bytes(copy)
    found = tried([*paths, artefacts / "model.onnx"])
    assert set(found) <= {"told", "shape (2,)"}
    assert found.count("told") > 20
    assert found[-1] == "shape (2,)"


@pytest.mark.slow
def test_a_mutated_saved_model_crashes_nothing(artefacts, tmp_path):
    graph = (artefacts / "saved_model" / "1" / "saved_model.pb").read_bytes()
    paths = [tmp_path / str(index) for index in range(45)]
    for path, copy in zip(paths, mutated(graph, 45), strict=True):
        shutil.copytree(artefacts / "saved_model" / "1", path)
        (path / "saved_model.pb").write_bytes(copy)
    found = tried([*paths, artefacts / "saved_model"])
    assert set(found) <= {"told", "shape (2,)"}
    assert found.count("told") > 15
    assert found[-1] == "shape (2,)"


def _another_tflite(path, folder, facts):
    return signed(folder / "a.tflite", without_archive(path / "model_float32.tflite"), facts)


def _another_onnx(path, folder, facts):
    copy = pathlib.Path(shutil.copy(path / "model.onnx", folder / "a.onnx"))
    return changed(copy, **{METADATA: json.dumps(facts)})


def _another_saved_model(path, folder, facts):
    copy = shutil.copytree(path / "saved_model", folder / "a")
    next(copy.rglob(METADATA)).write_text(json.dumps(facts))
    return copy


LIES = {
    "other labels": ({"labels": ["cat", "dog"]}, "its labels are ['cat', 'dog'], not ['male', 'female']"),
    "labels the other way round": ({"labels": ["female", "male"]}, "its labels are ['female', 'male'], not"),
    "another input": ({"image_size": 48}, "takes pictures of shape [32, 32, 3], not what its metadata says"),
    "no threshold": ({"threshold": 7}, "its threshold is 7, no probability"),
}


@pytest.mark.parametrize(("facts_of_another", "told"), LIES.values(), ids=LIES)
@pytest.mark.parametrize("make", [_another_tflite, _another_onnx, _another_saved_model])
def test_a_model_of_another_input_or_labels_ends_the_scorer_with_2(
    artefacts, facts, tmp_path, capsys, make, facts_of_another, told
):
    load_predictor(make(artefacts, tmp_path, facts))
    (tmp_path / "faces").mkdir()
    (tmp_path / "other").mkdir()
    path = make(artefacts, tmp_path / "other", facts | facts_of_another)
    assert commands.score([str(tmp_path / "faces"), f"--model={path}", f"--output={tmp_path / 'table.csv'}"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("gender-score: ")
    assert told in line
    assert not list(tmp_path.glob("table*"))


def test_an_onnx_file_of_two_answers_is_told(tmp_path, facts):
    """Its first number is the probability of the first label, male: taken as it is, every answer were wrong."""
    pixels = onnx.helper.make_tensor_value_info("pixels", onnx.TensorProto.FLOAT, ["n", 32, 32, 3])
    answer = onnx.helper.make_tensor_value_info("answer", onnx.TensorProto.FLOAT, ["n", 2])
    axes = onnx.helper.make_tensor("axes", onnx.TensorProto.INT64, [2], [1, 2])
    nodes = [
        onnx.helper.make_node("ReduceMean", ["pixels", "axes"], ["means"], keepdims=0),
        onnx.helper.make_node("Slice", ["means", "zero", "two", "one"], ["answer"]),
    ]
    numbers = [
        onnx.helper.make_tensor(name, onnx.TensorProto.INT64, [1], [value])
        for name, value in {"zero": 0, "two": 2, "one": 1}.items()
    ]
    graph = onnx.helper.make_graph(nodes, "two", [pixels], [answer], [axes, *numbers])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)], ir_version=9)
    onnx.helper.set_model_props(model, {METADATA: json.dumps(facts)})
    onnx.save(model, tmp_path / "two.onnx")
    with pytest.raises(UserError, match=r"gives answers of shape \[2\]; a face classifier gives \[1\]"):
        load_predictor(tmp_path / "two.onnx")


def test_a_saved_model_of_others_is_told(tmp_path):
    import tensorflow as tf

    module = tf.Module()
    module.__call__ = tf.function(lambda x: 2 * x, input_signature=[tf.TensorSpec((None, 3), tf.float32)])
    tf.saved_model.save(module, str(tmp_path / "theirs"), signatures={"serving_default": module.__call__})
    with pytest.raises(UserError, match="is damaged, or not an artefact of gender-export") as error:
        load_predictor(tmp_path / "theirs")
    assert "\n" not in str(error.value)
