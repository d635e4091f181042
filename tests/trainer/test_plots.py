"""Pictures: they are there, of a sensible size, and show what they should. How they look was looked at."""

import keras
import numpy as np
import pytest

from gender_tfds import run_folder
from tests.trainer.pictures import count_orange, read_picture
from trainer import plots
from trainer.augmentation import make_augmentation
from trainer.config import TrainConfig
from trainer.models import MODELS

pytestmark = pytest.mark.usefixtures("drawn")

HISTORY = [
    {
        "epoch": epoch,
        "accuracy": 0.5 + epoch / 10,
        "val_accuracy": 0.6,
        "loss": 1 / epoch,
        "val_loss": 2 / epoch,
        "image_size": 32,
    }
    for epoch in (1, 2, 3)
]


def test_curves(tmp_path):
    plots.plot_history(HISTORY, 2, tmp_path, "a title")
    accuracy, loss = read_picture(tmp_path / run_folder.ACCURACY_PLOT), read_picture(tmp_path / run_folder.LOSS_PLOT)
    assert accuracy.shape == loss.shape
    assert not np.array_equal(accuracy, loss)


def test_curves_tell_where_pictures_grow(tmp_path):
    for name, sizes in (("one", (32, 32, 32)), ("growing", (32, 48, 48))):
        (tmp_path / name).mkdir()
        history = [{**row, "image_size": size} for row, size in zip(HISTORY, sizes, strict=True)]
        plots.plot_history(history, 2, tmp_path / name, "a title")
    one, growing = (read_picture(tmp_path / name / run_folder.LOSS_PLOT) for name in ("one", "growing"))
    assert not np.array_equal(one, growing)


@pytest.mark.parametrize("n", [0, 1, 25, 40])
def test_a_gallery_takes_any_number_and_frames_what_is_wrong(tmp_path, n):
    images = np.random.default_rng(0).integers(0, 256, (n, 32, 32, 3), np.uint8)
    plots.plot_gallery(images, ["text"] * n, tmp_path / "p.png", "a title", [number == 0 for number in range(n)])
    read_picture(tmp_path / "p.png")
    plots.plot_gallery(images, ["text"] * n, tmp_path / "plain.png", "a title")
    assert (count_orange(tmp_path / "p.png") > count_orange(tmp_path / "plain.png") + 50) == (n > 0)


def test_training_faces_are_shown_after_augmentation(tmp_path):
    rng = np.random.default_rng(0)
    batch = {"image": rng.integers(0, 256, (25, 32, 32, 3), np.uint8), "label": np.zeros(25, int)}
    nothing = make_augmentation(TrainConfig(flip=False, rotation=0.0), 32)
    plots.plot_train_batch(batch, nothing, tmp_path / "plain.png")
    plots.plot_train_batch(batch, make_augmentation(TrainConfig(), 32), tmp_path / "augmented.png")
    assert not np.array_equal(read_picture(tmp_path / "plain.png"), read_picture(tmp_path / "augmented.png"))


def test_a_model_is_drawn_without_graphviz(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")  # no `dot` to be found
    plots.plot_model(MODELS["seed_cnn"](TrainConfig()), tmp_path / "seed.png")
    small = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(1)])
    plots.plot_model(small, tmp_path / "small.png")
    assert read_picture(tmp_path / "seed.png").shape[0] > read_picture(tmp_path / "small.png").shape[0]


def test_of_a_deep_model_the_middle_is_counted_and_not_drawn(tmp_path):
    heights = {}
    for layers in (plots._MOST_LAYERS, plots._MOST_LAYERS + 1, 200):
        deep = keras.Sequential([keras.Input((2,)), *(keras.layers.Dense(2) for _ in range(layers))])
        plots.plot_model(deep, tmp_path / "deep.png")
        heights[layers] = read_picture(tmp_path / "deep.png").shape[0]
    assert heights[plots._MOST_LAYERS] > heights[plots._MOST_LAYERS + 1] == heights[200]


def test_a_layer_that_does_not_follow_the_one_above_it_names_its_sources():
    model = MODELS["resnet"](TrainConfig(model="resnet", width=8, depth=("1",)))
    add = next(layer for layer in model.layers if isinstance(layer, keras.layers.Add))
    sources = dict(zip([layer.name for layer in model.layers], plots._sources(model.layers), strict=True))
    assert len(sources[add.name]) == 2
    assert set(sources[add.name]) <= set(sources)
    first, second = model.layers[:2]
    assert sources[second.name] == [first.name]
    assert sources[first.name] != [second.name]


def test_a_picture_that_fails_leaves_no_file(tmp_path):
    with pytest.raises(RuntimeError, match="on purpose"), plots.saved_figure(tmp_path / "p.png"):
        raise RuntimeError("on purpose")
    assert not any(tmp_path.iterdir())
