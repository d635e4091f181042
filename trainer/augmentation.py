"""Random changes of the training pictures, as Keras layers on the model's own device, active in training only."""

from collections.abc import Callable
from typing import Any

import keras

from trainer.config import TrainConfig

# A table from the name of a setting to the layer it asks for; a setting of 0 or False leaves the layer out. The layers
# stay in float32: under mixed_float16 they would return halves, which hold pixel values to two digits only.
AUGMENTATIONS: dict[str, Callable[[Any, int], keras.Layer]] = {
    "flip": lambda on, seed: keras.layers.RandomFlip("horizontal", seed=seed, dtype="float32"),
    "rotation": lambda degrees, seed: keras.layers.RandomRotation(
        degrees / 360, fill_mode="nearest", seed=seed, dtype="float32"
    ),
}


def make_augmentation(config: TrainConfig) -> list[keras.Layer]:
    """Returns the layers that the settings ask for, in the table's order: [0, 255] in and out, (n, size, size, 3)."""
    return [
        make_layer(getattr(config, name), config.seed + number)
        for number, (name, make_layer) in enumerate(AUGMENTATIONS.items())
        if getattr(config, name)
    ]
