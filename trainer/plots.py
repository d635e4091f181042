"""The pictures of a run, in one style: axis labels, a colour-blind-safe palette, a title with data set, split and n."""

import contextlib
import itertools
import pathlib
from collections.abc import Iterator, Mapping, Sequence

import keras
import matplotlib
import numpy as np
import seaborn
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from gender_tfds import faces, run_folder
from gender_tfds.atomic_files import atomic_path

TRAIN_COLOUR, VALIDATION_COLOUR, WRONG_COLOUR = "#0072B2", "#D55E00", "#D55E00"  # of Okabe and Ito's palette


@contextlib.contextmanager
def saved_figure(path: pathlib.Path, **options: object) -> Iterator[Figure]:
    """Yields a figure and saves it as `path`. No global state of matplotlib is used, so no display is needed."""
    with matplotlib.rc_context({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(layout="constrained", **options)
        yield figure
        with atomic_path(path) as partial:
            figure.savefig(partial, dpi=120)


def plot_history(history: Sequence[Mapping[str, float]], best: int, folder: pathlib.Path, title: str) -> None:
    """Draws accuracy and loss over the epochs, one picture each.

    Args:
      history: a dict an epoch.
      best: the epoch of the saved model.
      folder: for the pictures.
      title: above them.
    """
    epochs = [row["epoch"] for row in history]
    for name, file in (("accuracy", run_folder.ACCURACY_PLOT), ("loss", run_folder.LOSS_PLOT)):
        with saved_figure(folder / file, figsize=(7, 4.5)) as figure:
            axes = figure.subplots()
            axes.plot(epochs, [row[name] for row in history], "o-", color=TRAIN_COLOUR, label="training (augmented)")
            axes.plot(
                epochs, [row[f"val_{name}"] for row in history], "s-", color=VALIDATION_COLOUR, label="validation"
            )
            axes.axvline(best, color="grey", linestyle=":", label="epoch of the saved model")
            for before, row in itertools.pairwise(history):
                if row["image_size"] != before["image_size"]:
                    size = row["image_size"]
                    axes.axvline(row["epoch"] - 0.5, color="lightgrey")
                    axes.annotate(
                        f"{size} px", (row["epoch"] - 0.4, 0.02), xycoords=("data", "axes fraction"), fontsize=8
                    )
            axes.set(xlabel="epoch", ylabel=name)
            axes.xaxis.get_major_locator().set_params(integer=True)
            axes.set_title(title)
            axes.legend()


def plot_confusion_matrix(matrix: Sequence[Sequence[int]], path: pathlib.Path, title: str) -> None:
    """Draws counts, and the share of each true class, as a heat map."""
    counts = np.array(matrix)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    texts = np.array(
        [[f"{n:,}\n{share:.1%}" for n, share in zip(*rows, strict=True)] for rows in zip(counts, shares, strict=True)]
    )
    with saved_figure(path, figsize=(5.5, 4.5)) as figure:
        axes = figure.subplots()
        seaborn.heatmap(
            shares,
            ax=axes,
            annot=texts,
            fmt="",
            cmap="Blues",
            vmin=0,
            vmax=1,
            xticklabels=faces.GENDERS,
            yticklabels=faces.GENDERS,
            cbar_kws={"label": "share of the true class"},
        )
        axes.set(xlabel="predicted", ylabel="label")
        axes.set_title(title)


def plot_sample_predictions(
    images: np.ndarray, labels: Sequence[int], p_female: Sequence[float], path: pathlib.Path, title: str
) -> None:
    """Draws up to 25 faces with the predicted and the true label; wrong ones are framed and marked.

    Args:
      images: uint8 (n, size, size, 3).
      labels: class numbers.
      p_female: predicted probabilities.
      path: of the picture.
      title: above it.
    """
    predictions = [run_folder.Prediction.from_probability("", float(score)) for score in p_female]
    with saved_figure(path, figsize=(10, 12)) as figure:
        figure.suptitle(f"{title}\npredicted (confidence) / label; wrong ones framed and marked ✗")
        for axes, image, label, prediction in _grid(figure, images, labels, predictions):
            right = prediction.gender == faces.GENDERS[label]
            axes.imshow(image)
            axes.set_title(
                f"{'' if right else '✗ '}{prediction.gender} ({prediction.confidence:.0%}) / {faces.GENDERS[label]}",
                color="black" if right else WRONG_COLOUR,
                fontsize=9,
                fontweight="normal" if right else "bold",
            )
            for spine in axes.spines.values():
                spine.set(visible=not right, color=WRONG_COLOUR, linewidth=4)


def plot_train_batch(batch: Mapping, augmentation: keras.Model, path: pathlib.Path) -> None:
    """Draws training faces as the model sees them, after augmentation.

    Args:
      batch: `image`, uint8 (n, size, size, 3), and `label`, of up to 25 faces.
      augmentation: of `make_augmentation`.
      path: of the picture.
    """
    images = keras.ops.cast(keras.ops.convert_to_tensor(batch["image"]), "float32")
    images, _ = augmentation(images, training=True)
    images = np.clip(keras.ops.convert_to_numpy(images), 0, 255).astype(np.uint8)
    with saved_figure(path, figsize=(10, 11.5)) as figure:
        figure.suptitle("Training faces as the model sees them")
        for axes, image, label in _grid(figure, images, batch["label"]):
            axes.imshow(image)
            axes.set_title(faces.GENDERS[int(label)], fontsize=9)


def plot_model(model: keras.Model, path: pathlib.Path) -> None:
    """Draws the layers of a model from top to bottom, with output shapes and parameters. Needs no Graphviz."""
    layers = model.layers
    producers = {id(output): layer.name for layer in layers for output in keras.tree.flatten(layer.output)}
    with saved_figure(path, figsize=(6.5, 0.62 * len(layers) + 1)) as figure:
        axes = figure.subplots()
        axes.set_axis_off()
        axes.set(xlim=(0, 10), ylim=(-len(layers), 1))
        axes.set_title(f"{model.name}: {model.count_params():,} parameters")
        columns = {
            "layer": (0.5, "left"),
            "name": (3.4, "left"),
            "output shape": (8.0, "right"),
            "parameters": (9.5, "right"),
        }
        for text, (x, side) in columns.items():
            axes.text(x, 0.5, text, ha=side, fontsize=8, color="#444444")
        for row, layer in enumerate(layers):
            axes.add_patch(FancyBboxPatch((0.3, -row - 0.28), 9.4, 0.56, boxstyle="round,pad=0.02", fc="#E8F1F8"))
            shape = " × ".join("n" if side is None else str(side) for side in layer.output.shape)
            axes.text(0.5, -row, f"{layer.__class__.__name__}", va="center", fontweight="bold", fontsize=9)
            axes.text(3.4, -row, layer.name, va="center", fontsize=8, color="#444444")
            axes.text(8.0, -row, shape, va="center", ha="right", fontsize=8)
            axes.text(9.5, -row, f"{layer.count_params():,}", va="center", ha="right", fontsize=8)
            taken = keras.tree.flatten(layer.input)
            sources = [producers[id(tensor)] for tensor in taken if id(tensor) in producers]
            if row and sources != [layers[row - 1].name]:
                axes.text(0.5, -row - 0.2, f"from {', '.join(sources)}", va="center", fontsize=6, color="#444444")
            elif row:
                axes.annotate("", (5, -row + 0.3), (5, -row + 0.7), arrowprops={"arrowstyle": "->", "color": "grey"})


def _grid(figure: Figure, *columns: Sequence) -> Iterator[tuple]:
    """Yields (axes, image, …) for up to 25 faces in five columns; axes left over are hidden."""
    rows = list(zip(*columns, strict=True))[:25]
    every = figure.subplots(5, 5, squeeze=False).ravel()
    for axes in every:
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    for axes, row in zip(every, rows, strict=False):
        yield axes, *row
