"""Claim: how `gender-train` executes a step on a CPU is the fastest way: float32, step by step, all cores.

    python benchmarks/execution.py [--presets=seed,fast] [--rounds=5]

Of each preset, with its augmentation, `fit` on one resident batch takes turns with itself changed in one thing:
bfloat16, eight steps an execution. Threads are set before TensorFlow starts, so those take turns as processes.
Prints the rate of each, that of the way taken = 1.
"""

import argparse
import os
import pathlib
import time
from collections.abc import Callable, Iterator

import keras
import numpy as np
import tensorflow as tf
from ratios import Ratios, run
from training_rate import settings

from trainer.augmentation import make_augmentation
from trainer.models import build_model, make_training_model, with_precision
from trainer.objective import Objective
from trainer.optimization import make_optimizer

STEPS = 8
WAYS = {"as it is": {}, "bfloat16": {"precision": "mixed_bfloat16"}, "8 steps": {"steps": 8}}
THREADS = {
    "as it is": (0, 0),
    "1 thread an operation": (1, 0),
    "1 operation at a time": (0, 1),
    "twice the cores": None,
}
CHILD = """
import sys
import tensorflow as tf
tf.config.threading.set_intra_op_parallelism_threads(int(sys.argv[3]))
tf.config.threading.set_inter_op_parallelism_threads(int(sys.argv[4]))
sys.path.insert(0, sys.argv[1])
from execution import make_fit, seconds_of
fit = make_fit(sys.argv[2])
print(min(seconds_of(fit) for _ in range(3)))
"""


def make_fit(preset: str, precision: str = "float32", steps: int = 1) -> Callable[[], object]:
    """Returns a training of `STEPS` steps on one batch, warm."""
    config = settings(preset)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (config.batch_size, config.image_size, config.image_size, 3), np.uint8)
    labels = rng.integers(0, 2, (config.batch_size, 2)).astype(np.float32)
    resident = tf.data.Dataset.from_tensors((images, labels)).repeat()
    classifier = with_precision(build_model(config), precision)
    model = make_training_model(classifier, make_augmentation(config, config.image_size))
    optimizer = make_optimizer(config, 100, 10, config.learning_rate, precision)
    model.compile(optimizer, Objective(), jit_compile=False, steps_per_execution=steps)

    def fit() -> object:
        return model.fit(resident, steps_per_epoch=STEPS, verbose=0)

    fit()
    return fit


def seconds_of(fit: Callable[[], object]) -> float:
    """Returns how long it takes."""
    begin = time.perf_counter()
    fit()
    return time.perf_counter() - begin


def _turns(measures: dict[str, Callable[[], float]], rounds: int) -> Iterator[tuple[str, float]]:
    for _ in range(rounds):
        seconds = {name: measure() for name, measure in measures.items()}
        yield from ((name, seconds["as it is"] / value) for name, value in seconds.items() if name != "as it is")


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", default="seed,fast")
    parser.add_argument("--rounds", type=int, default=5)
    flags = parser.parse_args()
    ratios, cores = Ratios(), os.cpu_count() or 1
    for preset in flags.presets.split(","):
        fits = {name: make_fit(preset, **way) for name, way in WAYS.items()}
        for name, value in _turns({n: lambda fit=fit: seconds_of(fit) for n, fit in fits.items()}, flags.rounds):
            ratios.add(f"{preset}: {name}", value)

        def of_threads(threads: tuple[int, int] | None, preset: str = preset) -> float:
            arguments = threads or (2 * cores, 2 * cores)
            return float(run(CHILD, pathlib.Path(__file__).parent, preset, *arguments)[3])

        measures = {name: lambda threads=threads: of_threads(threads) for name, threads in THREADS.items()}
        for name, value in _turns(measures, min(flags.rounds, 3)):
            ratios.add(f"{preset}: {name}", value)
    ratios.report()


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    main()
