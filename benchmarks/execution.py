"""Claim: how `gender-train` executes a step on a CPU is the fastest way: oneDNN, float32, step by step, all cores.

    python benchmarks/execution.py [--presets=seed,fast] [--rounds=5] [--changes="8 steps,bfloat16"]

Of each preset, with its augmentation, `fit` on one resident batch takes turns with itself changed in one thing, each in
a process of its own, since TensorFlow reads its environment once. Prints the rate of each, that of the way taken = 1.
"""

import argparse
import json
import pathlib

import numpy as np
import tensorflow as tf
from gpu import make_fitted, seconds_of
from ratios import Ratios, run
from training_rate import settings

from gender_tfds.keras_backend import prepare_backend
from gender_tfds.threads import available_processors
from trainer.distribution import shared_by
from trainer.division import Workers

STEPS = 8
TWICE = str(2 * available_processors())
# what is changed -> arguments of `measure`, and the environment
CHANGES = {
    "without oneDNN": ({}, {"TF_ENABLE_ONEDNN_OPTS": "0"}),
    "bfloat16": ({"precision": "mixed_bfloat16"}, {}),
    "8 steps": ({"steps_per_execution": 8}, {}),
    "1 thread an operation": ({}, {"TF_NUM_INTRAOP_THREADS": "1"}),
    "1 operation at a time": ({}, {"TF_NUM_INTEROP_THREADS": "1"}),
    "2 virtual devices": ({"devices": 2}, {}),
    "twice the cores": ({}, {"TF_NUM_INTRAOP_THREADS": TWICE, "TF_NUM_INTEROP_THREADS": TWICE}),
}
CHILD = """
import json, sys
sys.path.insert(0, sys.argv[1])
from execution import measure
print(measure(sys.argv[2], **json.loads(sys.argv[3])))
"""


def measure(preset: str, precision: str = "float32", steps_per_execution: int = 1, devices: int = 1) -> float:
    """Returns the seconds of `STEPS` steps on one batch, after as many that are not counted."""
    config = settings(preset)
    virtual = [tf.config.LogicalDeviceConfiguration()] * devices
    tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], virtual)
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (config.batch_size, config.image_size, config.image_size, 3), np.uint8)
    labels = rng.integers(0, 2, (config.batch_size, 2)).astype(np.float32)
    resident = tf.data.Dataset.from_tensors((images, labels)).repeat()
    with shared_by(Workers(devices)):
        model = make_fitted(config, precision, augmented=True, steps_per_execution=steps_per_execution)
    return seconds_of(model, resident, STEPS)


def _in_a_process(preset: str, arguments: dict[str, object], environment: dict[str, str]) -> float:
    here = pathlib.Path(__file__).parent
    return float(run(CHILD, here, preset, json.dumps(arguments), environment=environment)[3])


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", default="seed,fast")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--changes", default=",".join(CHANGES), help="some of them; bfloat16 takes eight times as long")
    flags = parser.parse_args()
    changes = {name: CHANGES[name] for name in flags.changes.split(",")}
    prepare_backend()  # for the processes
    ratios = Ratios()
    for preset in flags.presets.split(","):
        for _ in range(flags.rounds):
            as_it_is = _in_a_process(preset, {}, {})
            for name, change in changes.items():
                ratios.add(f"{preset}: {name}", as_it_is / _in_a_process(preset, *change))
    ratios.report()


if __name__ == "__main__":
    main()
