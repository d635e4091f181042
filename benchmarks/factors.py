"""Claim: which single settings of a recipe help, one changed at a time, on faces of validation.

    python benchmarks/factors.py DATA_DIR OUTPUT [--factors=base,no_age,…] [--seeds=0,1] [--epochs=10]

The recipe is the preset fast made small, with AdamW: 48 px, a width of 32, on UTKFace. Prints of each
factor and seed the lowest validation cross-entropy, the accuracy at that epoch, and both less the base's with that
seed. OUTPUT is a csv file that keeps them; what stands there is not run again.
"""

import argparse
import csv
import dataclasses
import pathlib
import statistics
import tempfile
from collections.abc import Iterator
from typing import Any
from unittest import mock

import keras
import tensorflow as tf
from keras import layers
from training_rate import settings

import trainer.fit
import trainer.models
from trainer.config import TrainConfig
from trainer.models import make_training_model
from trainer.train import prepare_training

FACTORS: dict[str, dict[str, Any]] = {
    "base": {},
    "no_age": {"age_weight": 0.0},
    "smoothing": {"label_smoothing": 0.1},
    "teacher": {"teacher": ("device",), "teacher_weight": 0.7},
    "teachers": {"teacher": ("accurate", "device"), "teacher_weight": 0.7},
    "sam": {},
    "squeezed": {},
    "silu": {},
    "mixup": {"mixup": 0.2},
    "erasing": {"erasing": 0.25},
    "dropout": {"dropout": 0.2},
    "ema": {"ema": 0.99},
    "more_geometry": {"rotation": 20.0, "zoom": 0.2, "translation": 0.1},
    "no_geometry": {"rotation": 0.0, "zoom": 0.0, "translation": 0.0},
    "no_colour": {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0},
    "blur": {"blur": 0.4},
    "half_rate": {"learning_rate": 0.002},
    "twice_rate": {"learning_rate": 0.008},
    "no_decay": {"weight_decay": 0.0},
    "constant_rate": {"schedule": "constant"},
    "sgd": {"optimizer": "sgd", "learning_rate": 0.05, "weight_decay": 5e-4},
    "muon": {"optimizer": "muon"},
    "muon_twice": {"optimizer": "muon", "learning_rate": 0.008},
    "muon_four": {"optimizer": "muon", "learning_rate": 0.016},
    "muon_eight": {"optimizer": "muon", "learning_rate": 0.032},
    "muon_no_decay": {"optimizer": "muon", "learning_rate": 0.008, "weight_decay": 0.0},
    "muon_decay": {"optimizer": "muon", "learning_rate": 0.008, "weight_decay": 0.2},
    "muon_128": {"optimizer": "muon", "learning_rate": 0.016, "batch_size": 128},
    "muon_256": {"optimizer": "muon", "learning_rate": 0.008, "batch_size": 256},
    "batch_128": {"batch_size": 128},
    "64_px": {"image_size": 64},
    "deeper": {"depth": ("1", "2", "2")},
    "wider": {"width": 48},
    "fairface_too": {"dataset": "utkface,fairface"},
    "twice_epochs": {"epochs": 20},
}
ADAMW = {"optimizer": "adamw", "learning_rate": 0.004}  # with which all but Muon's factors were measured
_convolution, _activation = trainer.models._convolution, layers.Activation
RADIUS = 0.05  # of SAM, Foret et al. 2021, https://arxiv.org/abs/2010.01412


class SharpnessAware(keras.Model):
    """A model whose step follows the gradient at the worst place within `RADIUS` of its weights; TensorFlow only."""

    def train_step(self, data: Any) -> dict[str, Any]:
        """Returns the metrics of a step of SAM: two passes, the second one with the weights moved uphill."""
        images, targets, weights = keras.utils.unpack_x_y_sample_weight(data)
        variables = [variable.value for variable in self.trainable_variables]

        def gradients() -> tuple[tf.Tensor, list[tf.Tensor]]:
            with tf.GradientTape() as tape:
                predicted = self(images, training=True)
                loss = self.compute_loss(images, targets, predicted, weights)
            return predicted, tape.gradient(loss, variables)

        predicted, uphill = gradients()
        scale = RADIUS / (tf.linalg.global_norm(uphill) + 1e-12)
        moves = [scale * gradient for gradient in uphill]
        for variable, move in zip(variables, moves, strict=True):
            variable.assign_add(move)
        found = gradients()[1]
        for variable, move in zip(variables, moves, strict=True):
            variable.assign_sub(move)
        self.optimizer.apply(found, self.trainable_variables)
        return self.compute_metrics(images, targets, predicted, weights)


def _sharpness_aware(*arguments: Any) -> keras.Model:
    model = make_training_model(*arguments)
    return SharpnessAware(model.input, model.output, name=model.name)


def _squeezed(config: TrainConfig) -> keras.Model:
    """A `resnet` whose blocks weigh their channels: Hu et al. 2017, https://arxiv.org/abs/1709.01507."""

    def gated(x: keras.KerasTensor, filters: int, gamma: str = "ones", **options: Any) -> keras.KerasTensor:
        y = _convolution(x, filters, gamma=gamma, **options)
        if gamma == "ones":  # not the last of a block
            return y
        weights = layers.GlobalAveragePooling2D(keepdims=True)(y)
        weights = layers.Dense(max(8, filters // 8), activation="relu")(weights)
        return layers.Multiply()([y, layers.Dense(filters, activation="sigmoid")(weights)])

    with mock.patch.object(trainer.models, "_convolution", gated):
        return trainer.models.resnet(config)


def _silu(config: TrainConfig) -> keras.Model:
    """A `resnet` with SiLU in the place of ReLU."""

    def silu(name: str) -> keras.Layer:
        return _activation("silu" if name == "relu" else name)

    with mock.patch.object(layers, "Activation", silu):
        return trainer.models.resnet(config)


def measure(factor: str, config: TrainConfig, data_dir: str) -> tuple[float, float]:
    """Returns the lowest validation cross-entropy of a training, and the accuracy at that epoch."""
    keras.backend.clear_session()
    trainer.fit.make_training_model = _sharpness_aware if factor == "sam" else make_training_model
    network = {"squeezed": _squeezed, "silu": _silu}.get(factor, trainer.models.resnet)
    with tempfile.TemporaryDirectory() as folder, mock.patch.dict(trainer.models.MODELS, resnet=network):
        training, _ = prepare_training(config, data_dir, None)
        history = training.run(pathlib.Path(folder)).progress.history
    best = min(history, key=lambda row: row["val_cross_entropy"])
    return best["val_cross_entropy"], best["val_accuracy"]


def main() -> None:
    """Trains and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data_dir")
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("--factors", default=",".join(FACTORS))
    parser.add_argument("--seeds", default="0,1")
    parser.add_argument("--epochs", type=int, default=10)
    flags = parser.parse_args()
    base = dataclasses.replace(settings("fast"), **ADAMW, image_size=48, width=32, epochs=flags.epochs)
    rows = dict(_rows(flags.output))
    for seed in flags.seeds.split(","):
        for factor in flags.factors.split(","):
            if (factor, seed) not in rows:
                config = dataclasses.replace(base, seed=int(seed), **FACTORS[factor])
                rows[factor, seed] = measure(factor, config, flags.data_dir)
                with flags.output.open("a", newline="") as file:
                    csv.writer(file).writerow([factor, seed, *rows[factor, seed]])
    for factor in FACTORS:
        told = {seed: value for (name, seed), value in rows.items() if name == factor and ("base", seed) in rows}
        if told:
            gains = [[ours - base for ours, base in zip(told[s], rows["base", s], strict=True)] for s in told]
            means = [statistics.mean(column) for column in zip(*told.values(), strict=True)]
            words = "; ".join(f"{entropy:+.4f} {accuracy:+.4f}" for entropy, accuracy in gains)
            print(f"{factor}: cross-entropy {means[0]:.4f}, accuracy {means[1]:.4f}; less the base's: {words}")


def _rows(path: pathlib.Path) -> Iterator[tuple[tuple[str, str], tuple[float, float]]]:
    if path.exists():
        with path.open(newline="") as file:
            for factor, seed, entropy, accuracy in csv.reader(file):
                yield (factor, seed), (float(entropy), float(accuracy))


if __name__ == "__main__":
    main()
