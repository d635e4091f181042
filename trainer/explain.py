"""Where in a face a classifier looks: Grad-CAM.

Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization", 2017.
"""

import pathlib
from collections.abc import Mapping

import cv2
import keras
import matplotlib
import numpy as np
import pandas as pd

from gender_tfds.command_line import UserError
from gender_tfds.faces import GENDERS
from trainer.metrics import predicted_labels
from trainer.models import with_precision
from trainer.plots import plot_gallery

_SMALLEST_MAP = 4  # height and width of a feature map; of 2 × 2 places nothing can be told
_HEAT = 0.5  # part of the heat map in the blend with the face


def grad_cam(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """Returns where the predicted class comes from, float32 (n, size, size), the strongest place of each face 1.

    The last feature map of at least 4 × 4 places, each channel weighed by the mean gradient of the predicted class's
    logit with respect to it; only what speaks for the class is shown. A map without any such place is 0 all over.

    Args:
      model: a classifier whose last layer is dense with a sigmoid.
      images: pixels in [0, 255], (n, size, size, 3).

    Raises:
      UserError: Keras runs on another backend than TensorFlow.
    """
    if keras.backend.backend() != "tensorflow":
        raise UserError(
            f"--explain needs gradients of TensorFlow, and Keras runs on {keras.backend.backend()}; set"
            " KERAS_BACKEND=tensorflow, which also reads a run that was trained elsewhere"
        )
    import tensorflow as tf

    model = with_precision(model, "float32")  # a copy, whose layers belong to it alone
    kernel, bias = model.layers[-1].get_weights()
    parts = keras.Model(model.input, [_last_map(model).output, model.layers[-1].input])
    pixels = tf.convert_to_tensor(images, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(pixels)  # so that all is recorded, frozen layers too
        maps, features = parts(pixels, training=False)
        # the logit, not the probability: near 0 and 1 that has no gradient left
        logits = features @ kernel + bias
        evidence = tf.reduce_sum(tf.abs(logits))  # of each face the logit of what is predicted
    weights = tf.reduce_mean(tape.gradient(evidence, maps), axis=(1, 2), keepdims=True)
    heat = tf.nn.relu(tf.reduce_sum(weights * maps, axis=-1)).numpy().astype(np.float32)
    heat /= np.maximum(heat.max(axis=(1, 2), keepdims=True), np.finfo(np.float32).tiny)
    size = images.shape[1:3]
    return np.stack([cv2.resize(one, size[::-1], interpolation=cv2.INTER_LINEAR) for one in heat])


def choose_examples(table: pd.DataFrame, number: int) -> pd.DataFrame:
    """Returns the most confident wrong predictions, then the most confident right ones, at most `number` of each.

    Args:
      table: columns `path`, `label`, `p_female` and `confidence`.
      number: of each.
    """
    ranked = table.sort_values(["confidence", "path"], ascending=[False, True])
    right = predicted_labels(ranked) == ranked["label"]
    return pd.concat([ranked[~right].head(number), ranked[right].head(number)], ignore_index=True)


def plot_explanations(
    model: keras.Model, examples: pd.DataFrame, pictures: Mapping[str, np.ndarray], path: pathlib.Path, title: str
) -> None:
    """Draws each face beside itself under its heat map.

    Args:
      model: as for `grad_cam`.
      examples: of `choose_examples`.
      pictures: by path, uint8 (size, size, 3) of the model's input size.
      path: of the picture.
      title: above it.
    """
    faces = np.stack([pictures[path] for path in examples["path"]])
    pairs = [np.hstack([face, _blend(face, heat)]) for face, heat in zip(faces, grad_cam(model, faces), strict=True)]
    predicted, labels = predicted_labels(examples), examples["label"].to_numpy()
    texts = [
        f"{GENDERS[guess]} ({confidence:.0%}) / {GENDERS[label]}"
        for guess, confidence, label in zip(predicted, examples["confidence"], labels, strict=True)
    ]
    caption = "bright: places whose features speak for the predicted class (Grad-CAM); a hint, not a proof"
    plot_gallery(
        pairs, texts, path, f"{title}: predicted (confidence) / label\n{caption}", list(predicted != labels), columns=3
    )


def _last_map(model: keras.Model) -> keras.Layer:
    for smallest in (_SMALLEST_MAP, 2, 1):  # a very small input may come down to less
        for layer in reversed(model.layers):
            shape = layer.output.shape if isinstance(layer.output, keras.KerasTensor) else ()
            if len(shape) == 4 and min(shape[1:3]) >= smallest:
                return layer
    raise UserError(f"the model {model.name} has no feature maps: there is nothing to explain by")


def _blend(face: np.ndarray, heat: np.ndarray) -> np.ndarray:
    grey = face.mean(axis=-1, keepdims=True)
    colours = matplotlib.colormaps["inferno"](heat)[..., :3] * 255
    return np.clip((1 - _HEAT) * grey + _HEAT * colours, 0, 255).astype(np.uint8)
