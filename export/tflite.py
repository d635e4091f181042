"""Emit a `.tflite` file: built-in operators only, batch 1 and resizable, with labels and input size inside."""

import functools
import os
import pathlib
import tempfile
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.tools import flatbuffer_utils

from export.associated_files import append_files
from gender_tfds.terminal import without_native_noise


def emit_tflite(
    model: keras.Model,
    path: str | os.PathLike,
    metadata: dict[str, Any],
    calibration: np.ndarray | None = None,
    *,
    weights: str = "float32",
) -> None:
    """Writes a `.tflite` file that takes float32 pixels in [0, 255] and gives p(female), (n, 1).

    Args:
      model: pixels to p(female), its layers in float32.
      path: of the file.
      metadata: goes into the file, as JSON, beside the labels; `unzip -p FILE metadata.json` prints it.
      calibration: not used.
      weights: `float32`; `float16`, half the size; or `dynamic_int8`, a quarter, with int8 arithmetic where it pays.
    """
    target: dict[str, Any] = {"supported_ops": [tf.lite.OpsSet.TFLITE_BUILTINS]}
    options: dict[str, Any] = {}
    if weights != "float32":
        options["optimizations"] = [tf.lite.Optimize.DEFAULT]
    if weights == "float16":
        target["supported_types"] = [tf.float16]
    # A free batch size would make the browser's runtime refuse the file; batch 1 is made resizable below.
    signature = [keras.InputSpec(shape=(1, *model.input_shape[1:]), dtype="float32")]
    model.export(
        os.fspath(path), format="litert", input_signature=signature, verbose=False, target_spec=target, **options
    )
    _make_resizable(path)
    append_files(path, metadata)


def emit_int8(model: keras.Model, path: str | os.PathLike, metadata: dict[str, Any], calibration: np.ndarray) -> None:
    """Writes a `.tflite` file that takes uint8 pixels and computes in int8 throughout; it gives float32 p(female).

    By TensorFlow's converter, per channel. p(female) comes in steps of 1/256.

    Args:
      model: pixels to p(female), its layers in float32.
      path: of the file.
      metadata: as for `emit_tflite`.
      calibration: training pictures, uint8 (n, size, size, 3), by which the ranges of the activations are chosen.
    """
    signature = tf.TensorSpec((1, *model.input_shape[1:]), tf.float32, name="pixels")
    with tempfile.TemporaryDirectory() as folder:
        # from concrete functions the converter would write a file without weights, and no error
        archive = keras.export.ExportArchive()
        archive.add_endpoint("serve", lambda pixels: model(pixels, training=False), input_signature=[signature])
        archive.write_out(folder, verbose=False)
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: ([image[np.newaxis].astype(np.float32)] for image in calibration)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.uint8  # the browser's runtime takes no int8
        converter.inference_output_type = tf.float32
        with without_native_noise():  # of what it quantizes
            content = converter.convert()
    pathlib.Path(path).write_bytes(content)
    _make_resizable(path)
    append_files(path, metadata)


emit_float16 = functools.partial(emit_tflite, weights="float16")
emit_dynamic_int8 = functools.partial(emit_tflite, weights="dynamic_int8")


def operators(path: str | os.PathLike) -> set[str]:
    """Returns the names of the operators in a `.tflite` file; a custom one by its own name, `FlexConv2D`."""
    names = {value: name for name, value in vars(schema.BuiltinOperator).items() if not name.startswith("_")}
    codes = flatbuffer_utils.read_model(os.fspath(path)).operatorCodes
    return {code.customCode.decode() if code.customCode else names[code.builtinCode] for code in codes}


def _make_resizable(path: str | os.PathLike) -> None:
    """Frees the batch size in constant shapes, which the converter writes for batch 1."""
    file = flatbuffer_utils.read_model(os.fspath(path))
    for graph in file.subgraphs:
        for operator in graph.operators:
            if file.operatorCodes[operator.opcodeIndex].builtinCode != schema.BuiltinOperator.RESHAPE:
                continue
            source, target = (graph.tensors[index] for index in operator.inputs)
            constant = file.buffers[target.buffer]
            if constant.data is None:
                continue
            shape = _free_batch(list(source.shape), np.frombuffer(bytes(constant.data), np.int32).tolist())
            constant.data = np.frombuffer(np.array(shape, np.int32).tobytes(), np.uint8)
            target.shape = np.array([len(shape)], np.int32)
            if operator.builtinOptions is not None:
                operator.builtinOptions.newShape = np.array(shape, np.int32)
    _drop_names(file)
    pathlib.Path(path).write_bytes(flatbuffer_utils.convert_object_to_bytearray(file))


def _drop_names(file: schema.ModelT) -> None:
    """Drops the names of what lies between inputs and outputs: paths of layers, a tenth of a small file."""
    for graph in file.subgraphs:
        for index, tensor in enumerate(graph.tensors):
            if index not in {*graph.inputs, *graph.outputs}:
                tensor.name = None


def _free_batch(source: list[int], shape: list[int]) -> list[int]:
    """Returns the shape of a reshape of `source` for any batch size.

    A flatten of batch 1 is written as [1, n]. A sum of two of [1, 1, 1, n] is written with one of them as [n]: alike in
    a sum, and without a batch; it stays as it was.
    """
    if -1 in shape or source[0] != 1:
        return shape
    if shape[0] == 1:
        return [-1, *shape[1:]]
    alike = [1] * (len(source) - len(shape)) + shape == source
    return [-1, *source[1:]] if alike else shape
