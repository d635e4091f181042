"""Every model: [0, 255] in, a probability out, in float32, whatever it was trained in; and it survives its file."""

import keras
import numpy as np
import pytest

from gender_tfds.command_line import UserError
from trainer.config import TrainConfig
from trainer.models import MODELS, build_model, make_training_model, with_precision

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_model_gives_probabilities_and_survives_its_file(name, images, tmp_path):
    model = build_model(TrainConfig(model=name))
    scores = model.predict(images, verbose=0)
    assert scores.shape == (3, 1)
    assert scores.dtype == np.float32
    assert ((scores > 0) & (scores < 1)).all()
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again.predict(images, verbose=0), scores)
    # the scale belongs to the model: pixels in [0, 1] are another picture
    assert not np.allclose(model.predict(images / 255.0, verbose=0), scores, atol=1e-3)


def test_every_model_can_be_asked_for():
    assert set(TrainConfig.__dataclass_fields__["model"].metadata["choices"]) == set(MODELS)


def test_the_seed_model_is_the_recipe():
    layers = [layer.__class__.__name__ for layer in MODELS["seed_cnn"](64).layers]
    assert layers == [
        *("InputLayer", "Rescaling"),
        *(["Conv2D", "MaxPooling2D"] * 3),
        *("Flatten", "Dense", "Dense"),
    ]
    convolutions = [layer for layer in MODELS["seed_cnn"](64).layers if isinstance(layer, keras.layers.Conv2D)]
    assert [(c.filters, c.kernel_size, c.activation.__name__) for c in convolutions] == [
        (32, (3, 3), "relu"),
        (64, (3, 3), "relu"),
        (128, (3, 3), "relu"),
    ]
    *_, hidden, output = MODELS["seed_cnn"](64).layers
    assert (hidden.units, output.units, output.activation.__name__) == (128, 1, "sigmoid")


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_copy_in_another_precision_has_the_weights_and_a_float32_output(precision, images):
    model = build_model(TrainConfig())
    copy = with_precision(model, precision)
    for ours, theirs in zip(model.get_weights(), copy.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    dense = copy.layers[-2]
    assert (
        dense.compute_dtype
        == {"float32": "float32", "mixed_bfloat16": "bfloat16", "mixed_float16": "float16"}[precision]
    )
    assert dense.kernel.dtype == "float32"
    assert copy.layers[-1].compute_dtype == "float32"
    difference = np.abs(copy.predict(images, verbose=0) - model.predict(images, verbose=0)).max()
    assert difference < 0.02
    assert (difference == 0) == (precision == "float32")


def test_the_training_model_shares_the_weights_and_does_not_augment_when_predicting(images):
    classifier = build_model(TrainConfig())
    model = make_training_model(classifier, [keras.layers.RandomFlip("horizontal")])
    np.testing.assert_array_equal(model.predict(images, verbose=0), classifier.predict(images, verbose=0))
    classifier.set_weights([weight + 0.01 for weight in classifier.get_weights()])
    np.testing.assert_array_equal(model.predict(images, verbose=0), classifier.predict(images, verbose=0))


def test_a_saved_model_is_taken_with_its_size(tmp_path):
    model = MODELS["seed_cnn"](48)
    model.save(tmp_path / "model.keras")
    started = build_model(TrainConfig(init_from=str(tmp_path / "model.keras"), image_size=64))
    assert started.input_shape == (None, 48, 48, 3)
    np.testing.assert_array_equal(started.get_weights()[0], model.get_weights()[0])


def test_a_file_that_is_no_classifier_is_refused(tmp_path):
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)]).save(tmp_path / "other.keras")
    with pytest.raises(UserError, match=r"input of shape \(None, 4\)"):
        build_model(TrainConfig(init_from=str(tmp_path / "other.keras")))
