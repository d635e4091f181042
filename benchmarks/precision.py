"""Claim: on a CPU, which precision trains faster? Prints the ratio of steps a second, mixed_bfloat16 to float32.

    python benchmarks/precision.py

Both models take turns on one resident batch in one process, so that the machine's noise hits both.
"""

import argparse
import dataclasses
import statistics
import time

import keras
import numpy as np

from trainer.augmentation import make_augmentation
from trainer.config import TrainConfig
from trainer.models import MODELS, make_training_model, with_precision
from trainer.objective import Objective

STEPS, ROUNDS = 4, 5


def main() -> None:
    """Measures and prints."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    config = TrainConfig()
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (config.batch_size, config.image_size, config.image_size, 3), np.uint8)
    labels = rng.integers(0, 2, (config.batch_size, 2)).astype(np.float32)
    for augmented in (True, False):
        strengths = config if augmented else dataclasses.replace(config, flip=False, rotation=0.0)
        models = {}
        for precision in ("float32", "mixed_bfloat16"):
            classifier = with_precision(MODELS[config.model](config), precision)
            model = make_training_model(classifier, make_augmentation(strengths, config.image_size))
            model.compile("adam", Objective(), jit_compile=False)
            model.train_on_batch(images, labels)
            models[precision] = model
        ratios = []
        for _ in range(ROUNDS):
            seconds = {}
            for precision, model in models.items():
                start = time.perf_counter()
                for _ in range(STEPS):
                    model.train_on_batch(images, labels)
                seconds[precision] = time.perf_counter() - start
            ratios.append(seconds["float32"] / seconds["mixed_bfloat16"])
        print(
            f"{config.model} at {config.image_size} px, {'with' if augmented else 'without'} augmentation:"
            f" bfloat16 is {statistics.median(ratios):.2f} times as fast as float32"
            f" ({min(ratios):.2f} to {max(ratios):.2f}, {ROUNDS} rounds)"
        )


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    main()
