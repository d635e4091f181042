"""The pictures of a run, in one style: axis labels, a colour-blind-safe palette, a title with data set, split and n."""

import contextlib
import itertools
import math
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle
from matplotlib.ticker import MaxNLocator

from gender_tfds import faces, run_folder
from gender_tfds.atomic_files import atomic_path

TRAIN_COLOUR, VALIDATION_COLOUR, WRONG_COLOUR = "#0072B2", "#D55E00", "#D55E00"  # of Okabe and Ito's palette
DPI = 120
GALLERY = 25  # faces in a picture of faces
_NAME = 28  # characters of a layer's name that are shown, the last ones
_MOST_LAYERS, _ENDS = 64, 24  # layers of a model that are all drawn; of a deeper one so many at either end


@contextlib.contextmanager
def saved_figure(path: pathlib.Path, **options: Any) -> Iterator[Figure]:
    """Yields a figure and saves it as `path`. No global state of matplotlib is used, so no display is needed."""
    with matplotlib.rc_context({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(layout="constrained", **options)
        yield figure
        with atomic_path(path) as partial:
            # the usual level of 6 takes four times as long and saves a tenth of the bytes
            figure.savefig(partial, dpi=DPI, pil_kwargs={"compress_level": 2})


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
            axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
            axes.set_title(title)
            axes.legend()


def plot_gallery(
    images: Sequence[np.ndarray],
    texts: Sequence[str],
    path: pathlib.Path,
    title: str,
    wrong: Sequence[bool] = (),
    columns: int = 5,
) -> None:
    """Draws up to 25 pictures in rows, each below its text.

    Args:
      images: uint8, of one shape (height, width, 3).
      texts: one a face.
      path: of the picture.
      title: above it.
      wrong: of each picture whether it is framed and its text marked; none is if left out.
      columns: pictures in a row.
    """
    images = images[:GALLERY]
    height, width = images[0].shape[:2] if len(images) else (1, 1)
    gap, rows = height // 4, max(1, math.ceil(len(images) / columns))
    # one pair of axes for all: laying out 25 takes a second
    sheet = np.full((rows * (height + gap), columns * (width + gap), 3), 255, np.uint8)
    with saved_figure(path, figsize=(10, 10 * sheet.shape[0] / sheet.shape[1] + 0.9)) as figure:
        axes = figure.subplots()
        axes.set_axis_off()
        axes.set_title(title)
        for number, image in enumerate(images):
            y, x = number // columns * (height + gap) + gap, number % columns * (width + gap) + gap // 2
            sheet[y : y + height, x : x + width] = image
            marked = bool(wrong) and wrong[number]
            style: dict[str, Any] = {"color": WRONG_COLOUR, "fontweight": "bold"} if marked else {}
            text = f"{'✗ ' if marked else ''}{texts[number]}"
            axes.text(x + width / 2, y - gap / 8, text, ha="center", va="bottom", fontsize=9, **style)
            if marked:
                axes.add_patch(Rectangle((x, y), width - 1, height - 1, fill=False, color=WRONG_COLOUR, linewidth=4))
        axes.imshow(sheet, interpolation="nearest")  # small pictures are enlarged: their pixels are what there is
        if not len(images):
            axes.text(0.5, 0.5, "none", ha="center", va="center", transform=axes.transAxes)


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
    labels = [faces.GENDERS[int(label)] for label in batch["label"]]
    plot_gallery(images, labels, path, "Training faces as the model sees them")


def plot_model(model: keras.Model, path: pathlib.Path) -> None:
    """Draws the layers of a model from top to bottom, with output shapes and parameters. Needs no Graphviz.

    A model of hundreds of layers, whose picture would be metres high, is drawn without its middle.
    """
    layers, sources_of = model.layers, _sources(model.layers)
    whole = len(layers) <= _MOST_LAYERS
    numbers = list(range(len(layers))) if whole else [*range(_ENDS), *range(len(layers) - _ENDS, len(layers))]
    with saved_figure(path, figsize=(6.5, 0.62 * len(numbers) + 1)) as figure:
        axes = figure.subplots()
        axes.set_axis_off()
        axes.set(xlim=(0, 10), ylim=(-len(numbers), 1))
        axes.set_title(f"{model.name}: {model.count_params():,} parameters")
        columns = {
            "layer": (0.5, "left"),
            "name": (3.4, "left"),
            "output shape": (8.0, "right"),
            "parameters": (9.5, "right"),
        }
        for text, (x, side) in columns.items():
            axes.text(x, 0.5, text, ha=side, fontsize=8, color="#444444")
        for row, number in enumerate(numbers):
            layer, sources = layers[number], sources_of[number]
            axes.add_patch(FancyBboxPatch((0.3, -row - 0.28), 9.4, 0.56, boxstyle="round,pad=0.02", fc="#E8F1F8"))
            shape = " × ".join("n" if side is None else str(side) for side in layer.output.shape)
            axes.text(0.5, -row, f"{layer.__class__.__name__}", va="center", fontweight="bold", fontsize=9)
            name = layer.name if len(layer.name) <= _NAME else f"…{layer.name[1 - _NAME :]}"
            axes.text(3.4, -row, name, va="center", fontsize=8, color="#444444")
            axes.text(8.0, -row, shape, va="center", ha="right", fontsize=8)
            axes.text(9.5, -row, f"{layer.count_params():,}", va="center", ha="right", fontsize=8)
            if not whole and row == _ENDS:
                left_out = layers[_ENDS:number]
                told = f"{len(left_out)} layers more, {sum(one.count_params() for one in left_out):,} parameters"
                axes.text(5, -row + 0.5, told, ha="center", va="center", fontsize=8)
            elif row and sources != [layers[number - 1].name]:
                # of a sum of two tensors, say, which is no layer, there is no name
                told = f"from {', '.join(sources)}" if sources else ""
                axes.text(0.5, -row - 0.2, told, va="center", fontsize=6, color="#444444")
            elif row:
                axes.annotate("", (5, -row + 0.3), (5, -row + 0.7), arrowprops={"arrowstyle": "->", "color": "grey"})


def _sources(layers: Sequence[keras.Layer]) -> list[list[str]]:
    """Returns for each layer the names of those whose output it takes."""
    producers = {id(output): layer.name for layer in layers for output in keras.tree.flatten(layer.output)}
    taken = [[id(tensor) for tensor in keras.tree.flatten(layer.input)] for layer in layers]
    return [[producers[number] for number in numbers if number in producers] for numbers in taken]
