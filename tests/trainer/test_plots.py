"""Pictures: they are there, of a sensible size, and show what they should. How they look was looked at."""

import cv2
import keras
import numpy as np
import pytest

from gender_tfds import run_folder
from trainer import plots
from trainer.augmentation import make_augmentation
from trainer.config import TrainConfig
from trainer.models import MODELS

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


def _read(path):
    image = cv2.imread(str(path))
    assert image is not None, path
    assert image.std() > 5, f"{path} is blank"
    return image


def test_curves(tmp_path):
    plots.plot_history(HISTORY, 2, tmp_path, "a title")
    accuracy, loss = _read(tmp_path / run_folder.ACCURACY_PLOT), _read(tmp_path / run_folder.LOSS_PLOT)
    assert accuracy.shape == loss.shape
    assert not np.array_equal(accuracy, loss)


def test_curves_tell_where_pictures_grow(tmp_path):
    for name, sizes in (("one", (32, 32, 32)), ("growing", (32, 48, 48))):
        (tmp_path / name).mkdir()
        history = [{**row, "image_size": size} for row, size in zip(HISTORY, sizes, strict=True)]
        plots.plot_history(history, 2, tmp_path / name, "a title")
    one, growing = (_read(tmp_path / name / run_folder.LOSS_PLOT) for name in ("one", "growing"))
    assert not np.array_equal(one, growing)


def test_confusion_matrix(tmp_path):
    plots.plot_confusion_matrix([[90, 10], [5, 95]], tmp_path / "a.png", "a title")
    plots.plot_confusion_matrix([[10, 90], [95, 5]], tmp_path / "b.png", "a title")
    assert not np.array_equal(_read(tmp_path / "a.png"), _read(tmp_path / "b.png"))
    plots.plot_confusion_matrix([[0, 0], [0, 7]], tmp_path / "empty_row.png", "a title")
    _read(tmp_path / "empty_row.png")


@pytest.mark.parametrize("n", [1, 25, 40])
def test_sample_predictions_take_any_number(tmp_path, n):
    images = np.random.default_rng(0).integers(0, 256, (n, 32, 32, 3), np.uint8)
    plots.plot_sample_predictions(images, [0] * n, [0.2] * n, tmp_path / "p.png", "a title")
    _read(tmp_path / "p.png")


def _orange_pixels(path):
    blue, green, red = (_read(path)[..., channel].astype(int) for channel in range(3))
    return int(((abs(red - 0xD5) < 8) & (abs(green - 0x5E) < 8) & (blue < 8)).sum())


def test_a_wrong_prediction_is_marked_and_a_right_one_is_not(tmp_path):
    images = np.full((2, 32, 32, 3), 128, np.uint8)
    plots.plot_sample_predictions(images, [0, 1], [0.2, 0.8], tmp_path / "right.png", "a title")
    plots.plot_sample_predictions(images, [0, 1], [0.2, 0.3], tmp_path / "wrong.png", "a title")
    assert _orange_pixels(tmp_path / "right.png") == 0
    assert _orange_pixels(tmp_path / "wrong.png") > 500


def test_training_faces_are_shown_after_augmentation(tmp_path):
    rng = np.random.default_rng(0)
    batch = {"image": rng.integers(0, 256, (25, 32, 32, 3), np.uint8), "label": np.zeros(25, int)}
    nothing = make_augmentation(TrainConfig(flip=False, rotation=0.0), 32)
    plots.plot_train_batch(batch, nothing, tmp_path / "plain.png")
    plots.plot_train_batch(batch, make_augmentation(TrainConfig(), 32), tmp_path / "augmented.png")
    assert not np.array_equal(_read(tmp_path / "plain.png"), _read(tmp_path / "augmented.png"))


def test_a_model_is_drawn_without_graphviz(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")  # no `dot` to be found
    plots.plot_model(MODELS["seed_cnn"](TrainConfig()), tmp_path / "seed.png")
    small = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(1)])
    plots.plot_model(small, tmp_path / "small.png")
    assert _read(tmp_path / "seed.png").shape[0] > _read(tmp_path / "small.png").shape[0]


def test_a_layer_that_does_not_follow_the_one_above_it_names_its_sources():
    model = MODELS["resnet"](TrainConfig(model="resnet", width=8, depth=("1",)))
    add = next(layer for layer in model.layers if isinstance(layer, keras.layers.Add))
    sources = plots._sources(model, add)
    assert len(sources) == 2
    assert set(sources) <= {layer.name for layer in model.layers}
    first, second = model.layers[:2]
    assert plots._sources(model, second) == [first.name]
    assert plots._sources(model, first) != [second.name]


def test_a_picture_that_fails_leaves_no_file(tmp_path):
    with pytest.raises(RuntimeError, match="on purpose"), plots.saved_figure(tmp_path / "p.png"):
        raise RuntimeError("on purpose")
    assert not any(tmp_path.iterdir())
