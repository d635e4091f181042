"""Claim: a GPU is kept at work: it waits for input less than 5 % of a training step, and half precision pays.

    python benchmarks/gpu.py [--data_dir=DATA_DIR --dataset=utkface] [--presets=seed,fast,device,wide] [--rounds=5]

Of each preset, with its own optimizer, batch size and compilation, and in each precision by turns, `fit` runs on the
pipeline's cached epochs, on one batch again and again, and on that batch without augmentation. Prints images a second
on the pipeline; the rate, float32 = 1; the share of a step that waits for input, against the one batch; the share that
is augmentation; and, where there is nvidia-smi, how busy the GPU was meanwhile. Without --data_dir it builds and takes
drawn_faces. It runs on a CPU as well, which says nothing of a GPU: --presets=smoke --seconds=1 --rounds=1.
"""

import argparse
import contextlib
import dataclasses
import math
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator

import keras
import tensorflow as tf
import tensorflow_datasets as tfds
from ratios import Ratios
from training_rate import settings

from gender_tfds.reading import open_built
from trainer.augmentation import make_augmentation
from trainer.config import TrainConfig
from trainer.distribution import choose_jit, device_kind
from trainer.input_pipeline import count_faces, make_train_dataset
from trainer.models import build_model, make_training_model, with_precision
from trainer.objective import Objective
from trainer.optimization import make_optimizer

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
QUERY = ("nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits")


class _Seconds(keras.callbacks.Callback):
    """Measures the last epoch of a `fit`: its beginning fills buffers. At an epoch's end the device has finished."""

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self.begin = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: dict | None = None) -> None:
        self.seconds = time.perf_counter() - self.begin


def seconds_of(model: keras.Model, batches: tf.data.Dataset, steps: int) -> float:
    """Returns the seconds that so many steps take, after as many that are not counted."""
    measured = _Seconds()
    model.fit(batches, epochs=2, steps_per_epoch=steps, callbacks=[measured], shuffle=False, verbose=0)
    return measured.seconds


def make_fitted(config: TrainConfig, precision: str, *, augmented: bool, steps_per_execution: int = 1) -> keras.Model:
    """Returns the preset's model as it is fitted in a training."""
    off = config if augmented else TrainConfig(flip=False, rotation=0)
    model = make_training_model(
        with_precision(build_model(config), precision), make_augmentation(off, config.image_size)
    )
    model.compile(
        make_optimizer(config, 100, 10, config.learning_rate, precision),
        Objective(config.label_smoothing, age_weight=config.age_weight),
        jit_compile=choose_jit(config, device_kind()),
        steps_per_execution=steps_per_execution,
    )
    return model


@contextlib.contextmanager
def utilisation() -> Iterator[list[float]]:
    """Yields a list that holds, afterwards, how busy the GPU was each fifth of a second, in %; none where unknown."""
    busy: list[float] = []
    if not shutil.which(QUERY[0]):
        yield busy
        return
    with tempfile.TemporaryFile("w+") as told:
        process = subprocess.Popen([*QUERY, "--loop-ms=200"], stdout=told)  # noqa: S603
        try:
            yield busy
        finally:
            process.terminate()
            process.wait()
            told.seek(0)
            busy += [float(line) for line in told.read().split() if line.replace(".", "").isdigit()]


def measure(preset: str, config: TrainConfig, builder: tfds.core.DatasetBuilder, flags: argparse.Namespace) -> Ratios:
    """Returns what is printed of a preset."""
    counts = count_faces([builder], config.folds("train"))
    faces = sum(counts[0].values())

    def pipeline(faces_needed: int) -> tf.data.Dataset:
        epochs = range(1 + math.ceil(faces_needed / faces))
        return make_train_dataset([builder], config, counts, counts, epochs=epochs)

    resident = tf.data.Dataset.from_tensors(next(iter(pipeline(1)))).repeat()
    fitted = {one: make_fitted(config, one, augmented=True) for one in flags.precisions}
    plain = {one: make_fitted(config, one, augmented=False) for one in flags.precisions}
    first = next(iter(fitted.values()))
    first.fit(resident, steps_per_epoch=1, verbose=0)
    steps = max(3, round(flags.seconds / (seconds_of(first, resident, 5) / 5)))
    cached = pipeline(2 * steps * config.batch_size)
    for _ in cached.take(math.ceil(faces / config.batch_size) + 1):  # into the second epoch: the cache is filled
        pass
    runs: dict[str, Callable[[str], float]] = {
        "pipeline": lambda precision: seconds_of(fitted[precision], cached, steps),
        "one batch": lambda precision: seconds_of(fitted[precision], resident, steps),
        "plain": lambda precision: seconds_of(plain[precision], resident, steps),
    }
    ratios = Ratios()
    for _ in range(flags.rounds):
        rates = {}
        for precision in flags.precisions:
            with utilisation() as busy:
                took = {"pipeline": runs["pipeline"](precision)}
            took |= {name: run(precision) for name, run in runs.items() if name != "pipeline"}
            rates[precision] = steps * config.batch_size / took["pipeline"]
            name = f"{preset}, {precision}"
            ratios.add(f"{name}: images a second", rates[precision])
            ratios.add(f"{name}: rate, {flags.precisions[0]} = 1", rates[precision] / rates[flags.precisions[0]])
            ratios.add(f"{name}: share of a step that waits for input", 1 - took["one batch"] / took["pipeline"])
            ratios.add(f"{name}: share of a step that is augmentation", 1 - took["plain"] / took["one batch"])
            if busy:
                ratios.add(f"{name}: the GPU at work, %", statistics.median(busy))
    return ratios


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data_dir", help="where the data set was built; drawn_faces is built anew if left out")
    parser.add_argument("--dataset", default="drawn_faces", help="(%(default)s)")
    parser.add_argument("--presets", default="seed,fast,device,wide", help="(%(default)s)")
    parser.add_argument("--precisions", default=",".join(PRECISIONS), help="the first is what others are compared to")
    parser.add_argument("--batch_size", type=int, help="instead of the presets'")
    parser.add_argument("--seconds", type=float, default=3, help="of each measurement in the first precision")
    parser.add_argument("--rounds", type=int, default=5)
    flags = parser.parse_args()
    flags.precisions = flags.precisions.split(",")
    print(f"{device_kind().upper()}, Keras {keras.__version__} on {keras.backend.backend()}", flush=True)
    if not shutil.which(QUERY[0]):
        print("nvidia-smi is not here: how busy a GPU is was not measured")
    with tempfile.TemporaryDirectory() as folder:
        if not flags.data_dir:
            import gender_tfds.drawn_faces  # noqa: F401 (so that TFDS knows it)

            tfds.builder("drawn_faces", data_dir=folder).download_and_prepare()
        builder = open_built(flags.dataset, flags.data_dir or folder)
        for preset in flags.presets.split(","):
            config = settings(preset, flags.dataset)
            if flags.batch_size:
                config = dataclasses.replace(config, batch_size=flags.batch_size)
            measure(preset, config, builder, flags).report()


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    main()
