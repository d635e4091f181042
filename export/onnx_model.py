"""Emit an `.onnx` file, by tf2onnx: any batch size, with labels and input size inside."""

import copy
import importlib.util
import json
import logging
import os
import pathlib
from typing import TYPE_CHECKING, Any

import keras
import numpy as np
import tensorflow as tf

from export.metadata import METADATA
from gender_tfds.user_error import UserError

if TYPE_CHECKING:
    import onnx

OPSET = 17  # of the operators: what runtimes since the middle of 2022 know
PACKAGES = ("tf2onnx", "onnx", "onnxruntime")  # of the extra `onnx`: to convert, to write and to compare


def require_packages() -> None:
    """Raises UserError, with the command that installs them, if a package of the extra `onnx` is missing."""
    missing = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise UserError(
            f"--formats=onnx needs {', '.join(missing)}; install what is missing with"
            ' pip install "gender-classifier[onnx]"'
        )


def emit_onnx(
    model: keras.Model, path: str | os.PathLike, metadata: dict[str, Any], calibration: np.ndarray | None = None
) -> None:
    """Writes an `.onnx` file: `pixels`, float32 (n, size, size, 3) in [0, 255], to `p_female`, float32 (n, 1).

    Args:
      model: pixels to p(female), its layers in float32.
      path: of the file.
      metadata: goes into the file's `metadata_props`, as JSON.
      calibration: not used.
    """
    import onnx
    import tf2onnx

    logging.getLogger("tf2onnx").setLevel(logging.CRITICAL)  # what it can't convert is raised; the rest is no fault
    signature = [tf.TensorSpec((None, *model.input_shape[1:]), tf.float32, name="pixels")]
    answer = tf.function(lambda pixels: {"p_female": model(pixels, training=False)}, input_signature=signature)
    converted, _ = tf2onnx.convert.from_function(answer, input_signature=signature, opset=OPSET)
    for value in (*converted.graph.input, *converted.graph.output):
        value.type.tensor_type.shape.dim[0].dim_param = "n"  # tf2onnx numbers it anew in each process
    _name_constants(converted.graph)
    onnx.helper.set_model_props(converted, {METADATA: json.dumps(metadata)})
    onnx.checker.check_model(converted)
    pathlib.Path(path).write_bytes(converted.SerializeToString(deterministic=True))


def _name_constants(graph: "onnx.GraphProto") -> None:
    """Names and orders the constants by their first use: of equal ones, tf2onnx keeps another in each process."""
    constants = {constant.name: constant for constant in graph.initializer}
    names: dict[str, str] = {}
    for node in graph.node:
        for place, name in enumerate(node.input):
            if name in constants:
                node.input[place] = names.setdefault(name, f"constant_{len(names)}")
    used = [copy.deepcopy(constants[name]) for name in names]
    for constant in used:
        constant.name = names[constant.name]
    del graph.initializer[:]
    graph.initializer.extend(used)
