"""Grad-CAM: the heat lies on what decides, follows the weights, and every architecture has a map."""

from unittest import mock

import keras
import numpy as np
import pandas as pd
import pytest
from keras import layers

from gender_tfds import images_cv, run_folder
from gender_tfds.drawn_faces.picture import encode_face
from gender_tfds.user_error import UserError
from tests.trainer.conftest import every_model
from tests.trainer.pictures import read_picture
from trainer import explain
from trainer import judging_commands as commands
from trainer.architectures import SMALLEST_SIZE
from trainer.config import TrainConfig
from trainer.evaluate import evaluate_workdir
from trainer.models import build_model

SIZE = 32


def _plain(maps):
    return maps


def _with_branches(maps):
    """The last map before the sum is of a branch that says nothing."""
    silent = layers.Conv2D(2, 1, kernel_initializer="zeros")(maps)
    return layers.Add()([layers.AveragePooling2D(4)(maps), layers.AveragePooling2D(4)(silent)])


def _with_padding(maps):
    """The last map is padded on one side: its places are not the picture's."""
    return layers.AveragePooling2D(8)(layers.ZeroPadding2D(((8, 0), (8, 0)))(maps))


def _with_a_layer_twice(maps):
    relu = layers.ReLU()
    return relu(layers.DepthwiseConv2D(1, depthwise_initializer="ones")(relu(maps)))


def _with_a_sum_without_layer(maps):
    return maps + keras.ops.relu(maps)


def _with_half_precision(maps):
    return layers.DepthwiseConv2D(1, depthwise_initializer="ones", dtype="mixed_bfloat16")(maps)


TAILS = [_plain, _with_branches, _with_padding, _with_a_layer_twice, _with_a_sum_without_layer, _with_half_precision]


def _patch_model(tail=_plain, nested=False):
    """A model by hand: one channel is how red a place is, the other how blue; red speaks for female, blue for male."""
    pixels = keras.Input((SIZE, SIZE, 3))
    eyes = layers.Conv2D(2, 4, strides=4, activation="relu")
    x = keras.Model(pixels, eyes(pixels))(pixels) if nested else eyes(pixels)
    x = layers.GlobalAveragePooling2D()(tail(x))
    model = keras.Model(pixels, layers.Dense(1, activation="sigmoid", dtype="float32")(x))
    kernel = np.zeros((4, 4, 3, 2), np.float32)
    kernel[:, :, 0, 0] = kernel[:, :, 2, 1] = 1 / (16 * 255)
    kernel[:, :, 2, 0] = kernel[:, :, 0, 1] = -1 / (16 * 255)
    eyes.set_weights([kernel, np.zeros(2)])
    model.layers[-1].set_weights([np.array([[40.0], [-40.0]]), np.zeros(1)])
    return model


@pytest.mark.parametrize("use_bias", [True, False])
def test_what_the_last_layer_is_decides_whether_a_model_can_be_explained(use_bias):
    pixels = keras.Input((SIZE, SIZE, 3))
    features = layers.GlobalAveragePooling2D()(layers.Conv2D(2, 3, padding="same")(pixels))
    images = np.random.default_rng(0).uniform(0, 255, (2, SIZE, SIZE, 3)).astype(np.float32)
    score = layers.Dense(1, activation="sigmoid", use_bias=use_bias)(features)
    assert explain.grad_cam(keras.Model(pixels, score), images).max() == 1
    apart = layers.Activation("sigmoid")(layers.Dense(1, use_bias=use_bias)(features))
    with pytest.raises(UserError, match="does not end in a dense layer with a sigmoid"):
        explain.grad_cam(keras.Model(pixels, apart), images)


def _with_patch(row, column, channel):
    image = np.full((SIZE, SIZE, 3), 100, np.float32)
    image[row : row + 8, column : column + 8] = 0
    image[row : row + 8, column : column + 8, channel] = 255
    return image


def _check_patches(model, channel):
    places = [(4, 4), (20, 16)]
    images = np.stack([_with_patch(*place, channel) for place in places])
    assert ((model.predict(images, verbose=0) > 0.5) == (channel == 0)).all()
    for heat, (row, column) in zip(explain.grad_cam(model, images), places, strict=True):
        # bilinear enlargement spreads it by half a place of the map
        around = heat[row - 2 : row + 10, column - 2 : column + 10].sum()
        assert around / heat.sum() > 0.99
        assert heat.max() == 1


@pytest.mark.parametrize("tail", TAILS, ids=lambda tail: tail.__name__.strip("_"))
@pytest.mark.parametrize("channel", [0, 2], ids=["for female", "for male"])
def test_the_heat_lies_on_the_patch_that_decides_and_moves_with_it(channel, tail):
    _check_patches(_patch_model(tail), channel)


def test_a_model_in_the_model_is_looked_into():
    _check_patches(_patch_model(nested=True), 0)


def test_the_strongest_place_is_1_also_where_it_is_a_single_one():
    image = np.full((1, SIZE, SIZE, 3), 100, np.float32)
    image[0, 12:16, 16:20] = (255, 0, 0)  # one place of the map: none of the enlarged ones is right on it
    assert explain.grad_cam(_patch_model(), image).max() == 1


def test_what_speaks_for_the_other_class_is_not_shown():
    image = _with_patch(4, 4, 0)
    image[20:24, 16:20] = (0, 0, 255)  # a little for male in a face that is predicted female
    (heat,) = explain.grad_cam(_patch_model(), image[None])
    assert heat[6:10, 6:10].min() == 1
    assert heat[14:].max() < 1e-6


def test_a_model_that_only_multiplies_pixels_is_one_sentence():
    pixels = keras.Input((SIZE, SIZE, 3))
    x = layers.Flatten()(layers.Rescaling(1 / 255)(pixels))
    model = keras.Model(pixels, layers.Dense(1, activation="sigmoid")(x))
    with pytest.raises(UserError, match="no feature map"):
        explain.grad_cam(model, np.zeros((1, SIZE, SIZE, 3)))


def _similarity(one, two):
    return np.mean([np.corrcoef(a.ravel(), b.ravel())[0, 1] for a, b in zip(one, two, strict=True)])


@pytest.mark.parametrize("name", ["seed_cnn", "resnet"])
def test_other_weights_give_another_map_and_the_same_the_same(name):
    """The sanity check of Adebayo et al., "Sanity Checks for Saliency Maps", 2018."""
    images = np.stack([images_cv.decode_and_resize(encode_face(index), SIZE) for index in range(8)])

    def heat(seed):
        keras.utils.set_random_seed(seed)
        return explain.grad_cam(build_model(TrainConfig(model=name, image_size=SIZE)), images)

    first, *others = (heat(seed) for seed in range(3))
    np.testing.assert_array_equal(first, heat(0))
    assert _similarity(first, first) == pytest.approx(1)
    assert np.mean([_similarity(first, other) for other in others]) < 0.5


@every_model
def test_every_architecture_has_a_map(name):
    size = SMALLEST_SIZE.get(name, 32)
    keras.utils.set_random_seed(0)
    model = build_model(TrainConfig(model=name, image_size=size))
    images = np.random.default_rng(0).integers(0, 256, (2, size, size, 3)).astype(np.float32)
    heat = explain.grad_cam(model, images)
    assert heat.shape == (2, size, size)
    assert heat.dtype == np.float32
    assert heat.min() >= 0
    np.testing.assert_array_equal(heat.max(axis=(1, 2)), [1, 1])
    assert (heat.std(axis=(1, 2)) > 0.05).all()
    keras.backend.clear_session()


def test_examples_are_the_most_confident_of_each_kind():
    table = pd.DataFrame(
        {
            "path": list("abcde"),
            "label": [0, 1, 0, 1, 1],
            "p_female": [0.6, 0.05, 0.1, 0.52, 0.9],
            "confidence": [0.6, 0.95, 0.9, 0.52, 0.9],
            "group": list("uvwxy"),
        }
    )
    assert list(explain.choose_examples(table, 2)["path"]) == ["b", "a", "c", "e"]
    assert list(explain.choose_examples(table, 5)["path"]) == ["b", "a", "c", "e", "d"]
    copies = table.assign(group=list("uuwxw"))  # b and a are copies, and c and e
    assert list(explain.choose_examples(copies, 2)["path"]) == ["b", "c", "d"]


def test_a_face_without_heat_is_grey_and_full_heat_is_yellow(tmp_path):
    faces = {"cold": np.zeros((SIZE, SIZE, 3), np.uint8), "hot": _with_patch(0, 0, 0).astype(np.uint8)}
    kept = {}

    def keep(images, *_, **__):
        kept.update(zip(faces, images, strict=True))

    examples = pd.DataFrame({"path": list(faces), "label": 0, "p_female": 0.5, "confidence": 0.5})
    with mock.patch.object(explain, "plot_gallery", keep):
        explain.plot_explanations(_patch_model(), examples, faces, tmp_path / "p.png", "a title")
    for name, face in faces.items():
        np.testing.assert_array_equal(kept[name][:, :SIZE], face)
    under_heat = {name: pair[:, SIZE:].astype(int) for name, pair in kept.items()}
    assert np.ptp(under_heat["cold"], axis=-1).max() == 0
    red, green, blue = under_heat["hot"][2, 2]
    assert min(red, green) > blue + 50
    assert np.ptp(under_heat["hot"][20:], axis=-1).max() == 0


@pytest.mark.usefixtures("drawn")
def test_a_judgement_draws_them_when_asked(own_run):
    page = own_run / run_folder.REPORT
    assert commands.evaluate([f"--workdir={own_run}", "--explain=3"]) == 0
    read_picture(own_run / run_folder.EXPLANATIONS)
    assert "What speaks for a prediction" in page.read_text()
    # a model may have learned since: no picture of an earlier one stays
    assert commands.evaluate([f"--workdir={own_run}"]) == 0
    assert not (own_run / run_folder.EXPLANATIONS).exists()
    assert "What speaks for a prediction" not in page.read_text()


def test_another_backend_is_one_sentence_before_anything_is_judged(monkeypatch):
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    for ask in (
        lambda: explain.grad_cam(_patch_model(), np.zeros((1, SIZE, SIZE, 3))),
        lambda: evaluate_workdir("no such folder", None, "test", None, explained=1),
    ):
        with pytest.raises(UserError, match="set KERAS_BACKEND=tensorflow"):
            ask()
