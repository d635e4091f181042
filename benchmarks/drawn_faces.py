"""Claim: on drawn_faces a linear model on pixels does clearly worse than the seed's CNN, and neither is perfect.

    python benchmarks/drawn_faces.py            3 seeds, about 10 minutes on 2 cores

Both learn from folds 3-9 and are judged on folds 0-1, 64×64 pixels for the CNN, 32×32 and 64×64 for the linear model.
The linear model gets every advantage: its regularisation is the best of several *on the test faces*.
"""

import argparse
import os
import statistics
import time
import warnings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from gender_tfds import faces, images_cv
from gender_tfds.drawn_faces import picture, traits
from gender_tfds.drawn_faces.drawn_faces_dataset_builder import Builder

CS = (1e-5, 1e-4, 1e-3, 1e-2)


def load(count: int, size: int) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Returns images, uint8 (n, size, size, 3), and labels of each split."""
    splits = {split: ([], []) for split in faces.SPLIT_FOLDS}
    for index in range(count):
        images, labels = splits[faces.split_of(traits.file_name(index))]
        images.append(images_cv.decode_and_resize(picture.encode_face(index), size))
        labels.append(traits.sample_label(index).label)
    return {split: (np.stack(images), np.array(labels)) for split, (images, labels) in splits.items()}


def linear(train: tuple, test: tuple, size: int) -> float:
    """Returns the best test accuracy of logistic regression over `CS`, and of the same on 200 principal components."""
    shrink = train[0].shape[1] // size
    x, x_test = (
        images.reshape(len(images), size, shrink, size, shrink, 3).mean((2, 4)).reshape(len(images), -1)
        for images in (train[0].astype(np.float32), test[0].astype(np.float32))
    )
    accuracies = []
    for c in CS:
        for middle in ([], [PCA(200, random_state=0)]):
            model = make_pipeline(StandardScaler(), *middle, LogisticRegression(C=c, max_iter=200))
            accuracies.append(model.fit(x, train[1]).score(x_test, test[1]))
    return max(accuracies)


def cnn(splits: dict, seed: int, epochs: int, augment: bool) -> tuple[float, float, list[float]]:
    """Returns the seed network's test accuracy after the epoch with the least validation loss, seconds of training,
    and the validation accuracy after each epoch."""
    train, validation, test = (splits[split] for split in ("train", "validation", "test"))
    keras.utils.set_random_seed(seed)
    augmentation = [keras.layers.RandomFlip("horizontal"), keras.layers.RandomRotation(0.05)] if augment else []
    layers = [keras.layers.Rescaling(1 / 255), *augmentation]
    for filters in (32, 64, 128):
        layers += [keras.layers.Conv2D(filters, 3, activation="relu"), keras.layers.MaxPooling2D()]
    layers += [keras.layers.Flatten(), keras.layers.Dense(128, "relu"), keras.layers.Dense(1, "sigmoid")]
    model = keras.Sequential([keras.Input(train[0].shape[1:]), *layers])
    model.compile("adam", "binary_crossentropy", metrics=["accuracy"])
    start = time.perf_counter()
    best = keras.callbacks.EarlyStopping("val_loss", patience=epochs, restore_best_weights=True)
    fitted = model.fit(*train, batch_size=64, epochs=epochs, validation_data=validation, callbacks=[best], verbose=0)
    seconds = time.perf_counter() - start
    return model.evaluate(*test, verbose=0)[1], seconds, fitted.history["val_accuracy"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--count", type=int, default=Builder.NUM_FACES)
    parser.add_argument("--augment", action=argparse.BooleanOptionalAction, default=True)
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", module="sklearn")
    start = time.perf_counter()
    splits = load(arguments.count, 64)
    train, test = splits["train"], splits["test"]
    print(
        f"{arguments.count} faces drawn and decoded in {time.perf_counter() - start:.1f} s: "
        f"{len(train[1])} to learn from, {len(test[1])} to judge, share of female {test[1].mean():.3f}"
    )
    linears = {size: linear(train, test, size) for size in (32, 64)}
    for size, accuracy in linears.items():
        print(f"logistic regression, {size}×{size} pixels, best of {2 * len(CS)} settings: {accuracy:.3f}", flush=True)
    results = []
    for seed in range(arguments.seeds):
        results.append(cnn(splits, seed, arguments.epochs, arguments.augment))
        print(
            f"seed CNN, seed {seed}: {results[-1][0]:.3f} in {results[-1][1]:.0f} s;",
            "validation by epoch",
            " ".join(f"{accuracy:.3f}" for accuracy in results[-1][2]),
            flush=True,
        )
    median = statistics.median(result[0] for result in results)
    error = (1 - max(linears.values())) / (1 - median)
    print(f"median of the seed CNN: {median:.3f}; the linear model's error is {error:.1f} times the CNN's")


if __name__ == "__main__":
    main()
