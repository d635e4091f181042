"""Emit a SavedModel that answers encoded pictures and pixels, in a process that knows nothing of this project."""

import json
import os
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from export.metadata import METADATA
from export.predictor import EXTRA
from gender_tfds import faces, run_folder
from gender_tfds.images_tf import decode_and_resize


def emit_saved_model(
    model: keras.Model, path: str | os.PathLike, metadata: dict[str, Any], calibration: np.ndarray | None = None
) -> None:
    """Writes `path`, a folder with one version `1/`, as TensorFlow Serving wants it.

    Both signatures return `p_female`, float32 (n,), and `gender`, string (n,).

    - `serving_default` takes `image_bytes`, string (n,): files as TensorFlow can decode them.
    - `serving_pixels` takes `images`, uint8 (n, size, size, 3).
    """
    size = model.input_shape[1]

    def answer(images: tf.Tensor) -> dict[str, tf.Tensor]:
        p_female = model(tf.cast(images, tf.float32), training=False)[:, 0]
        female = tf.cast(p_female > run_folder.THRESHOLD, tf.int32)
        return {"p_female": p_female, "gender": tf.gather(tf.constant(faces.GENDERS), female)}

    @tf.function(input_signature=[tf.TensorSpec((None,), tf.string, name="image_bytes")])
    def encoded(image_bytes: tf.Tensor) -> dict[str, tf.Tensor]:
        pixels = tf.TensorSpec((size, size, 3), tf.uint8)
        return answer(tf.map_fn(lambda data: decode_and_resize(data, size), image_bytes, fn_output_signature=pixels))

    @tf.function(input_signature=[tf.TensorSpec((None, size, size, 3), tf.uint8, name="images")])
    def pixels(images: tf.Tensor) -> dict[str, tf.Tensor]:
        return answer(images)

    archive = keras.export.ExportArchive()
    archive.add_endpoint("serving_default", encoded)
    archive.add_endpoint("serving_pixels", pixels)
    version = tf.io.gfile.join(os.fspath(path), "1")
    archive.write_out(version, verbose=False)
    extra = tf.io.gfile.join(version, EXTRA)
    tf.io.gfile.makedirs(extra)
    with tf.io.gfile.GFile(tf.io.gfile.join(extra, METADATA), "w") as file:
        file.write(json.dumps(metadata, indent=2))
