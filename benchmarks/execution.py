"""Claim: how `gender-train` executes a step on a CPU is the fastest way: float32, step by step, all cores.

    python benchmarks/execution.py [--presets=seed,fast] [--rounds=5]

Of each preset, with its augmentation, `fit` on one resident batch takes turns with itself changed in one thing:
bfloat16, eight steps an execution. Threads are set before TensorFlow starts, so those take turns as processes.
Prints the rate of each, that of the way taken = 1.
"""

import argparse
import itertools
import pathlib
from collections.abc import Callable, Iterator
from functools import partial

import keras
import numpy as np
import tensorflow as tf
from gpu import make_fitted, seconds_of
from ratios import Ratios, run
from training_rate import settings

from gender_tfds.threads import available_processors

STEPS = 8
WAYS = {"as it is": {}, "bfloat16": {"precision": "mixed_bfloat16"}, "8 steps": {"steps_per_execution": 8}}
TWICE = 2 * available_processors()
# of an operation, and operations at a time; 0 is TensorFlow's own choice
THREADS = {
    "as it is": (0, 0),
    "1 thread an operation": (1, 0),
    "1 operation at a time": (0, 1),
    "twice the cores": (TWICE, TWICE),
}
CHILD = """
import sys
import tensorflow as tf
tf.config.threading.set_intra_op_parallelism_threads(int(sys.argv[3]))
tf.config.threading.set_inter_op_parallelism_threads(int(sys.argv[4]))
sys.path.insert(0, sys.argv[1])
from execution import make_measure
measure = make_measure(sys.argv[2])
print(min(measure() for _ in range(2)))
"""


def make_measure(preset: str, precision: str = "float32", steps_per_execution: int = 1) -> Callable[[], float]:
    """Returns what measures the seconds of `STEPS` steps on one batch."""
    config = settings(preset)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (config.batch_size, config.image_size, config.image_size, 3), np.uint8)
    labels = rng.integers(0, 2, (config.batch_size, 2)).astype(np.float32)
    resident = tf.data.Dataset.from_tensors((images, labels)).repeat()
    model = make_fitted(config, precision, augmented=True, steps_per_execution=steps_per_execution)
    return lambda: seconds_of(model, resident, STEPS)


def _in_a_process(preset: str, threads: tuple[int, int]) -> float:
    return float(run(CHILD, pathlib.Path(__file__).parent, preset, *threads)[3])


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
    ratios = Ratios()
    for preset in flags.presets.split(","):
        by_way = {name: make_measure(preset, **way) for name, way in WAYS.items()}
        by_threads = {name: partial(_in_a_process, preset, threads) for name, threads in THREADS.items()}
        for name, value in itertools.chain(_turns(by_way, flags.rounds), _turns(by_threads, min(flags.rounds, 3))):
            ratios.add(f"{preset}: {name}", value)
    ratios.report()


if __name__ == "__main__":
    keras.utils.set_random_seed(0)
    main()
