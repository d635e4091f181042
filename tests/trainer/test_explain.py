"""Grad-CAM: the heat lies on what decides, follows the weights, and every architecture has a map."""

import keras
import numpy as np
import pandas as pd
import pytest

from gender_tfds import run_folder
from gender_tfds.command_line import UserError
from tests.trainer.pictures import read_picture
from trainer import explain
from trainer.config import TrainConfig
from trainer.evaluate import evaluate_workdir
from trainer.models import MODELS, build_model

SIZE = 32


def _patch_model():
    """A model by hand: one channel is how red a place is, the other how blue; red speaks for female, blue for male."""
    pixels = keras.Input((SIZE, SIZE, 3))
    x = keras.layers.Conv2D(2, 4, strides=4, activation="relu", name="maps")(pixels)
    x = keras.layers.GlobalAveragePooling2D()(x)
    model = keras.Model(pixels, keras.layers.Dense(1, activation="sigmoid")(x))
    kernel = np.zeros((4, 4, 3, 2), np.float32)
    kernel[:, :, 0, 0] = kernel[:, :, 2, 1] = 1 / (16 * 255)
    kernel[:, :, 2, 0] = kernel[:, :, 0, 1] = -1 / (16 * 255)
    model.get_layer("maps").set_weights([kernel, np.zeros(2)])
    model.layers[-1].set_weights([np.array([[40.0], [-40.0]]), np.zeros(1)])
    return model


def _with_patch(row, column, channel):
    image = np.full((SIZE, SIZE, 3), 100, np.float32)
    image[row : row + 8, column : column + 8] = 0
    image[row : row + 8, column : column + 8, channel] = 255
    return image


@pytest.mark.parametrize("channel", [0, 2], ids=["for female", "for male"])
def test_the_heat_lies_on_the_patch_that_decides_and_moves_with_it(channel):
    places = [(4, 4), (20, 16)]
    images = np.stack([_with_patch(*place, channel) for place in places])
    model = _patch_model()
    assert ((model.predict(images, verbose=0) > 0.5) == (channel == 0)).all()
    for heat, (row, column) in zip(explain.grad_cam(model, images), places, strict=True):
        # bilinear enlargement spreads it by half a place of the map
        around = heat[row - 2 : row + 10, column - 2 : column + 10].sum()
        assert around / heat.sum() > 0.99
        assert heat.max() == pytest.approx(1)


def test_other_weights_give_another_map_and_the_same_the_same():
    """The sanity check of Adebayo et al., "Sanity Checks for Saliency Maps", 2018."""
    images = np.random.default_rng(0).integers(0, 256, (4, SIZE, SIZE, 3)).astype(np.float32)
    settings = {"model": "resnet", "width": 8, "depth": ("1",), "image_size": SIZE}

    def heat(seed):
        keras.utils.set_random_seed(seed)
        return explain.grad_cam(build_model(TrainConfig(**settings)), images)

    first, again, other = heat(0), heat(0), heat(1)
    np.testing.assert_array_equal(first, again)
    correlations = [np.corrcoef(one.ravel(), two.ravel())[0, 1] for one, two in zip(first, other, strict=True)]
    assert np.mean(correlations) < 0.7


@pytest.mark.parametrize("name", MODELS)
def test_every_architecture_has_a_map(name):
    size = 75 if name == "inceptionv3" else 32
    model = build_model(TrainConfig(model=name, image_size=size))
    images = np.random.default_rng(0).integers(0, 256, (2, size, size, 3)).astype(np.float32)
    heat = explain.grad_cam(model, images)
    assert heat.shape == (2, size, size)
    assert heat.min() >= 0
    assert heat.max() <= 1
    keras.backend.clear_session()


def test_examples_are_the_most_confident_of_each_kind():
    table = pd.DataFrame(
        {
            "path": list("abcde"),
            "label": [0, 1, 0, 1, 1],
            "p_female": [0.6, 0.05, 0.1, 0.52, 0.9],
            "confidence": [0.6, 0.95, 0.9, 0.52, 0.9],
        }
    )
    assert list(explain.choose_examples(table, 2)["path"]) == ["b", "a", "c", "e"]
    assert list(explain.choose_examples(table, 5)["path"]) == ["b", "a", "c", "e", "d"]


def test_a_judgement_draws_them_when_asked(own_run):
    evaluate_workdir(own_run, None, "test", None)
    assert not (own_run / run_folder.EXPLANATIONS).exists()
    evaluate_workdir(own_run, None, "test", None, explained=3)
    read_picture(own_run / run_folder.EXPLANATIONS)
    assert "What speaks for a prediction" in (own_run / run_folder.REPORT).read_text()


def test_another_backend_is_one_sentence(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(UserError, match="set KERAS_BACKEND=tensorflow"):
        explain.grad_cam(_patch_model(), np.zeros((1, SIZE, SIZE, 3)))
