"""Random changes of the training pictures, as Keras layers on the model's own device, active in training only.

Each layer does several changes in one pass over the pixels: Keras' own layers, one a change, take longer on a CPU than
training a small network does (benchmarks/augmentation.py). Ranges are those of the Keras layer of the same name.
All draw per picture, uniformly, and compute in float32: half precision holds pixel values to two digits only.
"""

import math
from collections.abc import Callable

import keras
import numpy as np
from keras import ops

from trainer.config import TrainConfig


class _RandomLayer(keras.layers.Layer):
    """A layer that passes its input through, except in training."""

    def __init__(self, seed: int, **options: object) -> None:
        super().__init__(dtype="float32", **options)
        self.generator = keras.random.SeedGenerator(seed)

    def _uniform(self, shape: tuple, low: float, high: float) -> keras.KerasTensor:
        return keras.random.uniform(shape, low, high, dtype="float32", seed=self.generator)

    def _about(self, shape: tuple, centre: float, strength: float) -> keras.KerasTensor:
        return self._uniform(shape, centre - strength, centre + strength)

    def call(self, pixels: keras.KerasTensor, training: bool = False) -> keras.KerasTensor:
        return self.change(pixels) if training else pixels

    def change(self, pixels: keras.KerasTensor) -> keras.KerasTensor:
        """Returns changed pictures, float32 (n, height, width, 3) in [0, 255]."""
        raise NotImplementedError


class RandomWarp(_RandomLayer):
    """Flip, rotation, zoom, shear, translation and crop jitter as one affine map, so pixels are interpolated once."""

    def __init__(self, config: TrainConfig, seed: int) -> None:
        super().__init__(seed, name="random_warp")
        self.config = config

    def change(self, pixels: keras.KerasTensor) -> keras.KerasTensor:
        height, width = pixels.shape[1:3]
        n = ops.shape(pixels)[0]
        return ops.image.affine_transform(
            pixels, self._matrices(n, height, width), interpolation="bilinear", fill_mode="nearest"
        )

    def _matrices(self, n: int, height: int, width: int) -> keras.KerasTensor:
        """Returns (n, 8): from a place in the result to the place in the picture that is seen there."""
        config = self.config
        angle = self._about((n,), 0.0, math.radians(config.rotation))
        scale = self._about((n,), 1.0, config.zoom)
        slant = ops.tan(self._about((n,), 0.0, math.radians(config.shear)))
        mirror = ops.sign(self._uniform((n,), -1.0, 1.0)) if config.flip else ops.ones((n,))
        left, right, top, bottom = (self._about((n,), 0.0, config.crop) for _ in range(4))
        across, down = (self._about((n,), 0.0, config.translation) for _ in range(2))
        scale_x, scale_y = scale * (1 + right - left), scale * (1 + bottom - top)
        cos, sin = ops.cos(angle), ops.sin(angle)
        # the product of rotation, shear, scale and mirror, about the centre
        xx, xy = cos * scale_x * mirror, (cos * slant - sin) * scale_y
        yx, yy = sin * scale_x * mirror, (sin * slant + cos) * scale_y
        x, y = (width - 1) / 2, (height - 1) / 2
        dx = x - xx * x - xy * y + (across + (left + right) / 2) * width
        dy = y - yx * x - yy * y + (down + (top + bottom) / 2) * height
        zero = ops.zeros_like(angle)
        return ops.stack([xx, xy, dx, yx, yy, dy, zero, zero], axis=1)


class RandomColour(_RandomLayer):
    """Brightness, contrast, saturation and blur."""

    def __init__(self, config: TrainConfig, seed: int) -> None:
        super().__init__(seed, name="random_colour")
        self.config = config

    def change(self, pixels: keras.KerasTensor) -> keras.KerasTensor:
        config, each = self.config, (ops.shape(pixels)[0], 1, 1, 1)
        if config.blur:
            pixels = pixels + self._uniform(each, 0.0, config.blur) * (_mean_of_nine(pixels) - pixels)
        if config.saturation:
            grey = ops.mean(pixels, axis=3, keepdims=True)
            pixels = grey + self._about(each, 1.0, config.saturation) * (pixels - grey)
        if config.contrast or config.brightness:
            mean = ops.mean(pixels, axis=(1, 2), keepdims=True)
            factor = self._about(each, 1.0, config.contrast)
            pixels = pixels * factor + (mean * (1 - factor) + self._about(each, 0.0, 255 * config.brightness))
        return ops.clip(pixels, 0.0, 255.0)


def _mean_of_nine(pixels: keras.KerasTensor) -> keras.KerasTensor:
    """Returns each pixel's mean with its neighbours. Sums of shifted pictures: pooling takes three times as long."""
    for pad, shifts in (
        ([[0, 0], [1, 1], [0, 0], [0, 0]], (np.s_[:, :-2], np.s_[:, 1:-1], np.s_[:, 2:])),
        ([[0, 0], [0, 0], [1, 1], [0, 0]], (np.s_[:, :, :-2], np.s_[:, :, 1:-1], np.s_[:, :, 2:])),
    ):
        padded = ops.pad(pixels, pad, mode="symmetric")
        pixels = (padded[shifts[0]] + padded[shifts[1]] + padded[shifts[2]]) / 3
    return pixels


class RandomErasing(_RandomLayer):
    """A grey rectangle over a part of some pictures, its sides a tenth to a half of the picture's.

    After Zhong et al., "Random Erasing Data Augmentation", 2017.
    """

    def __init__(self, config: TrainConfig, seed: int) -> None:
        super().__init__(seed, name="random_erasing")
        self.config = config

    def change(self, pixels: keras.KerasTensor) -> keras.KerasTensor:
        each = (ops.shape(pixels)[0], 1, 1, 1)
        inside = self._uniform(each, 0.0, 1.0) < self.config.erasing
        for axis in (1, 2):
            size = pixels.shape[axis]
            places = ops.reshape(
                (ops.arange(size, dtype="float32") + 0.5) / size, (1, *(size if a == axis else 1 for a in (1, 2)), 1)
            )
            half = self._uniform(each, 0.05, 0.25)
            inside = ops.logical_and(inside, ops.abs(places - self._uniform(each, 0.0, 1.0)) < half)
        return ops.where(inside, 128.0, pixels)


class Mixup(keras.layers.Layer):
    """Blends each picture with another one of the batch, and says how much of it is left.

    The partner of picture i is picture n - 1 - i; `trainer.objective` blends the targets likewise. After Zhang et al.,
    "mixup: Beyond Empirical Risk Minimization", 2018.
    """

    def __init__(self, alpha: float, seed: int) -> None:
        super().__init__(dtype="float32", name="mixup")
        self.alpha = alpha
        self.generator = keras.random.SeedGenerator(seed)

    def call(self, pixels: keras.KerasTensor, training: bool = False) -> tuple[keras.KerasTensor, keras.KerasTensor]:
        """Returns the pictures and the share of the first, float32 (n, 1) in [0.5, 1]; 1 when not training."""
        share = ops.ones((ops.shape(pixels)[0], 1))
        if not (training and self.alpha):
            return pixels, share
        share = keras.random.beta(ops.shape(share), self.alpha, self.alpha, dtype="float32", seed=self.generator)
        share = ops.maximum(share, 1 - share)
        part = ops.reshape(share, (-1, 1, 1, 1))
        return part * pixels + (1 - part) * ops.flip(pixels, axis=0), share


_WARPS = ("flip", "rotation", "zoom", "shear", "translation", "crop")
_COLOURS = ("brightness", "contrast", "saturation", "blur")
# A table from the name of a setting to the layer that does it; a setting of 0 or False is off. Layers are applied in
# this order; one that no setting asks for is left out.
AUGMENTATIONS: dict[str, Callable[[TrainConfig, int], _RandomLayer]] = {
    **dict.fromkeys(_WARPS, RandomWarp),
    **dict.fromkeys(_COLOURS, RandomColour),
    "erasing": RandomErasing,
}


def make_augmentation(config: TrainConfig, image_size: int) -> keras.Model:
    """Returns a model of what the settings ask for: pixels in [0, 255], (n, size, size, 3), to (pixels, share).

    `share` is that of `Mixup`.
    """
    pixels = x = keras.Input((image_size, image_size, 3), name="pixels")
    kinds = dict.fromkeys(kind for name, kind in AUGMENTATIONS.items() if getattr(config, name))
    for number, kind in enumerate(kinds):
        x = kind(config, config.seed + number)(x)
    return keras.Model(pixels, Mixup(config.mixup, config.seed + len(kinds))(x), name="augmentation")
