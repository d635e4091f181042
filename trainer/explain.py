"""Where in a face a classifier looks: Grad-CAM.

Selvaraju et al., "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization", 2017.
"""

import itertools
import pathlib
from collections.abc import Mapping

import cv2
import keras
import matplotlib
import numpy as np
import pandas as pd

from gender_tfds.faces import GENDERS
from gender_tfds.user_error import UserError
from trainer.metrics import predicted_labels
from trainer.models import is_sigmoid_dense, with_precision
from trainer.plots import plot_gallery

_SMALLEST_MAP = 4  # height and width of a feature map; of 2 × 2 places nothing can be told
_GREY, _OPACITY = 0.8, 0.75  # brightness of the face below the heat, so that white skin is none; opacity of full heat


def check_backend() -> None:
    """Checks that gradients can be had, before long work is done in vain.

    Raises:
      UserError: Keras runs on another backend than TensorFlow.
    """
    if keras.backend.backend() != "tensorflow":
        raise UserError(
            f"--explain needs gradients of TensorFlow, and Keras runs on {keras.backend.backend()}; set"
            " KERAS_BACKEND=tensorflow, which also reads a run that was trained elsewhere"
        )


def grad_cam(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """Returns where the predicted class comes from, float32 (n, size, size), the strongest place of each face 1.

    The last feature map of at least 4 × 4 places that the whole network passes through, each channel weighed by the
    mean gradient of the predicted class's logit with respect to it; only what speaks for the class is shown. A map
    without any such place is 0 all over.

    As in the paper, the map is stretched over the picture, whatever the network's padding: near the border a place lies
    too far out, by 8 of 64 pixels in `seed_cnn` and 12 in a trained `resnet` (benchmarks/LOG.md).

    Args:
      model: a classifier whose last layer is dense with a sigmoid.
      images: pixels in [0, 255], (n, size, size, 3).

    Raises:
      UserError: Keras runs on another backend than TensorFlow, or the model has no such feature map or last layer.
    """
    check_backend()
    import tensorflow as tf

    model = with_precision(model, "float32")  # a copy, whose layers belong to it alone
    if not is_sigmoid_dense(model.layers[-1]):
        raise UserError(
            f"the model {model.name} does not end in a dense layer with a sigmoid, by whose weights its faces could be"
            " explained; leave --explain out"
        )
    kernel, *bias = model.layers[-1].get_weights()  # a layer without bias has the kernel alone
    to_maps, to_features = _split(model)
    maps = to_maps(tf.convert_to_tensor(images, tf.float32), training=False)
    with tf.GradientTape() as tape:
        tape.watch(maps)
        # the logit, not the probability: near 0 and 1 that has no gradient left
        logits = to_features(maps, training=False) @ kernel + sum(bias)
        evidence = tf.reduce_sum(tf.abs(logits))  # of each face the logit of what is predicted
    weights = tf.reduce_mean(tape.gradient(evidence, maps), axis=(1, 2), keepdims=True)
    heat = tf.nn.relu(tf.reduce_sum(weights * maps, axis=-1)).numpy().astype(np.float32)
    size = images.shape[1:3]
    heat = np.stack([cv2.resize(one, size[::-1], interpolation=cv2.INTER_LINEAR) for one in heat])
    return heat / np.maximum(heat.max(axis=(1, 2), keepdims=True), np.finfo(np.float32).tiny)


def choose_examples(table: pd.DataFrame, number: int) -> pd.DataFrame:
    """Returns the most confident wrong predictions, then the most confident right ones, at most `number` of each.

    Of near duplicates only one is taken.

    Args:
      table: columns `path`, `label`, `p_female`, `confidence` and `group`.
      number: of each.
    """
    ranked = table.sort_values(["confidence", "path"], ascending=[False, True])
    right = predicted_labels(ranked) == ranked["label"]
    kinds = (ranked[~right], ranked[right])
    return pd.concat([kind.drop_duplicates("group").head(number) for kind in kinds], ignore_index=True)


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
    caption = "yellow: places that speak for the predicted class, grey: that do not (Grad-CAM); a hint, not a proof"
    plot_gallery(
        pairs, texts, path, f"{title}: predicted (confidence) / label\n{caption}", list(predicted != labels), columns=3
    )


def _split(model: keras.Model) -> tuple[keras.Model, keras.Model]:
    """Returns a classifier in two: from pixels to the last feature map, and from there to what its last layer takes."""
    layers = model.layers
    # the places of a padded map are not those of the picture
    padded = {id(layer.output) for layer in layers if isinstance(layer, keras.layers.ZeroPadding2D)}
    first = next(number for number, layer in enumerate(layers) if layer.weights)  # what it takes are pixels yet
    # by what layers take, not by what they give: that would miss sums without a layer, and models in the model
    taken = (keras.tree.flatten(layer.input) for layer in reversed(layers[first + 1 :]))
    for maps in itertools.chain.from_iterable(taken):
        if len(maps.shape) != 4 or min(maps.shape[1:3]) < _SMALLEST_MAP or id(maps) in padded:
            continue
        try:
            return keras.Model(model.input, maps), keras.Model(maps, layers[-1].input)
        except ValueError:  # a branch: what goes past it would be left out
            continue
    raise UserError(
        f"the model {model.name} has no feature map of {_SMALLEST_MAP} × {_SMALLEST_MAP} places or more, so there is"
        " nothing to explain by; leave --explain out"
    )


def _blend(face: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """Returns the face in grey, and heat over it in colour: the more heat, the less of the face."""
    grey = _GREY * face.mean(axis=-1, keepdims=True)
    colours = matplotlib.colormaps["inferno"](heat)[..., :3] * 255
    opacity = _OPACITY * heat[..., np.newaxis]
    return np.clip((1 - opacity) * grey + opacity * colours, 0, 255).astype(np.uint8)
