"""Claim: every architecture becomes a SavedModel and a TFLite file that give its answers, and all but two an ONNX file.

    python benchmarks/export_models.py [MODEL ...]

Each at its smallest size. The weights are random; normalizations take their statistics from drawn faces and the output
is stretched over (0, 1), so that the artefacts have something to lose. Prints, for each model and format, what the
export gate says. Formats that round the weights are left out: how much they may lose is a question to trained ones. The
suite does this for the light models only: all of them take minutes.
"""

import argparse
import functools
import pathlib
import tempfile
import time
from collections.abc import Iterator

import cv2
import keras
import numpy as np

from export import export_model, parity
from gender_tfds import faces
from gender_tfds.drawn_faces.picture import encode_face
from gender_tfds.images_cv import decode_and_resize
from trainer.architectures import SMALLEST_SIZE
from trainer.config import TrainConfig
from trainer.models import MODELS

FACES = 64
FORMATS = ("saved_model", "float32", "onnx")


def lively_model(name: str, number: int = FACES) -> tuple[keras.Model, list[bytes], np.ndarray]:
    """Returns a model with random weights and scores that differ, and faces: encoded, and as pixels for the model."""
    size = SMALLEST_SIZE.get(name, 32)
    images = [decode_and_resize(encode_face(index), size) for index in range(number)]
    # resized already: random weights make much of the odd level by which two libraries' resizing differs
    encoded = [cv2.imencode(".png", image[..., ::-1])[1].tobytes() for image in images]
    images = np.stack(images).astype(np.float32)
    keras.utils.set_random_seed(0)
    model = MODELS[name](TrainConfig(model=name, image_size=size))
    normalizations = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    momenta = [layer.momentum for layer in normalizations]
    for layer in normalizations:
        layer.momentum = 0.0
    features = keras.Model(model.input, model.layers[-1].input)
    features(images, training=True)
    for layer, momentum in zip(normalizations, momenta, strict=True):
        layer.momentum = momentum
    kernel, bias = model.layers[-1].get_weights()
    logits = np.asarray(features(images)) @ kernel
    model.layers[-1].set_weights([kernel / logits.std(), bias - logits.mean() / logits.std()])
    return model, encoded, images


def export(name: str) -> Iterator[str]:
    """Yields a sentence for each format, as soon as it is known; it begins with `refused` if the gate is not passed."""
    model, encoded, _ = lively_model(name)
    reference = parity.reference_probabilities(model, encoded)
    metadata = {"labels": list(faces.GENDERS), "image_size": model.input_shape[1], "threshold": 0.5, "note": "random"}
    for kind in FORMATS:
        emit, file, tolerance = export_model.EMITTERS[kind]
        started = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            emit_model = functools.partial(emit, model, metadata=metadata, calibration=None)
            try:
                found = export_model.publish(emit_model, pathlib.Path(folder) / file, reference, encoded, tolerance)
                said = (
                    f"{found['bytes'] / 1e6:.1f} MB, worst difference {found['worst_difference']:.1e},"
                    f" {found['labels_changed']} of {FACES} labels changed"
                )
            except export_model.RefusedError as error:
                said = f"refused: {error}"
        yield f"{said}, {kind}, {time.perf_counter() - started:.0f} s"


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", metavar="MODEL", help=f"of {', '.join(MODELS)}; all if left out")
    for name in parser.parse_args().models or MODELS:
        for said in export(name):
            print(f"{name}: {said}", flush=True)


if __name__ == "__main__":
    main()
