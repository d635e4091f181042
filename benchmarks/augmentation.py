"""Claim: augmentation in a few passes costs a small part of a training step; Keras' layers, one a change, do not.

    python benchmarks/augmentation.py

Prints, at 64 and 96 pixels, the share of a step that each option takes: by itself with Keras' own layer where there is
one, by itself with ours, and all of ours together. Times of one picture are taken in turns in one process.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf

from trainer.augmentation import make_augmentation
from trainer.config import TrainConfig
from trainer.models import MODELS, make_training_model
from trainer.objective import Objective

ROUNDS, BATCH = 7, 64
OFF = {"flip": False, "rotation": 0.0}
STRENGTHS = {
    "flip": True,
    "rotation": 20.0,
    "zoom": 0.2,
    "shear": 10.0,
    "translation": 0.1,
    "crop": 0.1,
    "brightness": 0.2,
    "contrast": 0.3,
    "saturation": 0.5,
    "blur": 0.5,
    "erasing": 0.3,
    "mixup": 0.2,
}
KERAS = {
    "flip": lambda: keras.layers.RandomFlip("horizontal"),
    "rotation": lambda: keras.layers.RandomRotation(20 / 360, fill_mode="nearest"),
    "zoom": lambda: keras.layers.RandomZoom(0.2, fill_mode="nearest"),
    "shear": lambda: keras.layers.RandomShear(0.17, fill_mode="nearest"),
    "translation": lambda: keras.layers.RandomTranslation(0.1, 0.1, fill_mode="nearest"),
    "brightness": lambda: keras.layers.RandomBrightness(0.2),
    "contrast": lambda: keras.layers.RandomContrast(0.3),
    "saturation": lambda: keras.layers.RandomSaturation(0.5),
    "blur": lambda: keras.layers.RandomGaussianBlur(kernel_size=3),
    "erasing": lambda: keras.layers.RandomErasing(0.3),
}


def main() -> None:
    """Measures and prints."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    for size in (64, 96):
        _compare(size)


def _compare(size: int) -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (BATCH, size, size, 3)).astype(np.float32)
    targets = np.stack([rng.integers(0, 2, BATCH), np.full(BATCH, 30)], axis=1).astype(np.float32)
    plain = _model(TrainConfig(**OFF, image_size=size, model="resnet", width=48))
    runs: dict[str, Callable] = {"step": lambda: plain.train_on_batch(images, targets)}
    for name, strength in STRENGTHS.items():
        if name in KERAS:
            runs[f"keras {name}"] = _graph(KERAS[name](), images)
        runs[f"ours {name}"] = _graph(make_augmentation(TrainConfig(**{**OFF, name: strength}), size), images)
    runs["ours all"] = _graph(make_augmentation(TrainConfig(**STRENGTHS), size), images)
    seconds = _take_turns(runs)
    step = seconds.pop("step")
    print(f"{size} px: a step of resnet (width 48, depth 1,1,1) without augmentation {step * 1e3:.2f} ms a picture")
    print(f"{'option':12} {'Keras':>7} {'ours':>7}   share of such a step")
    for name in [*STRENGTHS, "all"]:
        theirs = f"{seconds[f'keras {name}'] / step:7.1%}" if f"keras {name}" in seconds else f"{'':7}"
        print(f"{name:12} {theirs} {seconds[f'ours {name}'] / step:7.1%}")
    together = sum(time for name, time in seconds.items() if name.startswith("keras"))
    print(f"Keras' {len(KERAS)} layers one after the other: {together / step:.0%} of a step\n")


def _model(config: TrainConfig) -> keras.Model:
    model = make_training_model(MODELS[config.model](config), make_augmentation(config, config.image_size))
    model.compile(keras.optimizers.AdamW(1e-3), Objective(), jit_compile=False)
    return model


def _graph(layer: Callable, images: np.ndarray) -> Callable:
    graph = tf.function(lambda pixels: layer(pixels, training=True))
    batch = tf.constant(images)
    return lambda: graph(batch)


def _take_turns(runs: dict[str, Callable]) -> dict[str, float]:
    """Returns the median seconds a picture of each, after a first call that traces."""
    for run in runs.values():
        run()
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(ROUNDS):
        for name, run in runs.items():
            start = time.perf_counter()
            for _ in range(3):
                run()
            times[name].append((time.perf_counter() - start) / 3 / BATCH)
    return {name: statistics.median(measured) for name, measured in times.items()}


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    main()
