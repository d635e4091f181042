"""Claim: training waits for nothing but arithmetic: as fast as Keras on arrays, and as on one batch that stays.

    python benchmarks/training_rate.py DATA_DIR [--presets=seed,fast,device,wide] [--rounds=5] [--seconds=4]

DATA_DIR holds the built utkface. Of each preset, with its augmentation, on UTKFace alone and without a teacher, three
runs of `fit` of the same model take turns: on the pipeline's cached epochs, on the same faces as arrays in memory, and
on one batch again and again. Prints the pipeline's rate relative to the other two. Filling the shuffle buffer, which
happens once in a training, counts in each run here.
"""

import argparse
import dataclasses
import time
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from ratios import Ratios

from gender_tfds.reading import open_built
from trainer.augmentation import make_augmentation
from trainer.commands import TRAIN
from trainer.config import TrainConfig
from trainer.input_pipeline import count_faces, make_train_dataset
from trainer.models import build_model, make_training_model
from trainer.objective import Objective


def settings(preset: str, dataset: str = "utkface") -> TrainConfig:
    """Returns a preset's settings, for one data set, without a teacher, at the full size of the pictures."""
    line = [f"--preset={preset}", "--workdir=none"]
    (config,) = [one for one in TRAIN.parse(line) if isinstance(one, TrainConfig)]
    return dataclasses.replace(config, dataset=dataset, dataset_weights=(), teacher=(), start_size=0, epochs=1000)


def _fits(preset: str, data_dir: str, seconds: float) -> dict[str, Callable[[], Any]]:
    config = settings(preset)
    builders = [open_built("utkface", data_dir)]
    counts = count_faces(builders, config.folds("train"))
    model = make_training_model(build_model(config), make_augmentation(config, config.image_size))
    model.compile(keras.optimizers.AdamW(1e-4), Objective(age_weight=config.age_weight), jit_compile=False)
    pipeline = make_train_dataset(builders, config, counts, counts, epochs=range(2))
    batches = list(pipeline.take(sum(counts[0].values()) // config.batch_size))  # fills the cache
    resident = tf.data.Dataset.from_tensors(batches[0]).repeat()
    model.fit(resident, steps_per_epoch=1, verbose=0)
    begin = time.perf_counter()
    model.fit(resident, steps_per_epoch=5, verbose=0)
    steps = min(len(batches), max(10, round(5 * seconds / (time.perf_counter() - begin))))
    arrays = [np.concatenate([batch[column] for batch in batches[:steps]]) for column in (0, 1)]
    own = {"steps_per_epoch": steps, "verbose": 0}
    return {
        "pipeline": lambda: model.fit(pipeline, **own),
        "arrays": lambda: model.fit(*arrays, batch_size=config.batch_size, verbose=0),
        "one batch": lambda: model.fit(resident, **own),
    }


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data_dir")
    parser.add_argument("--presets", default="seed,fast,device,wide")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4, help="of each run, ten steps at least")
    flags = parser.parse_args()
    ratios = Ratios()
    for preset in flags.presets.split(","):
        fits = _fits(preset, flags.data_dir, flags.seconds)
        for fit in fits.values():
            fit()
        for _ in range(flags.rounds):
            seconds = {}
            for name, fit in fits.items():
                begin = time.perf_counter()
                fit()
                seconds[name] = time.perf_counter() - begin
            ratios.add(f"{preset}: rate, Keras on arrays = 1", seconds["arrays"] / seconds["pipeline"])
            ratios.add(f"{preset}: rate, one batch again and again = 1", seconds["one batch"] / seconds["pipeline"])
    ratios.report()


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    main()
