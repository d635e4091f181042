"""The architectures, and a model's arithmetic: pixels in [0, 255] in, probability of female out."""

from collections.abc import Callable

import keras
from keras import layers

from gender_tfds.saved_run import load_classifier
from trainer.config import TrainConfig

OUTPUT = "p_female"


def seed_cnn(image_size: int) -> keras.Model:
    """Three convolutions, each with max-pooling, and one dense layer: the model this project started from."""
    pixels = keras.Input((image_size, image_size, 3), name="pixels")
    x = layers.Rescaling(1 / 255)(pixels)
    for filters in (32, 64, 128):
        x = layers.Conv2D(filters, 3, activation="relu")(x)
        x = layers.MaxPooling2D()(x)
    x = layers.Flatten()(x)
    x = layers.Dense(128, activation="relu")(x)
    return keras.Model(pixels, layers.Dense(1, activation="sigmoid", name=OUTPUT)(x), name="seed_cnn")


# name of the architecture -> function of the image size; each takes [0, 255] and gives (n, 1) in [0, 1], in float32
MODELS: dict[str, Callable[[int], keras.Model]] = {"seed_cnn": seed_cnn}


def build_model(config: TrainConfig) -> keras.Model:
    """Returns the model to train, in float32: of `config.model`, or the one in the file `config.init_from`.

    Raises:
      UserError: the file is not a face classifier.
    """
    return load_classifier(config.init_from) if config.init_from else MODELS[config.model](config.image_size)


def with_precision(model: keras.Model, policy: str) -> keras.Model:
    """Returns a copy of a model, weights included, whose layers compute as the dtype policy says.

    The last layer keeps float32: a probability in half precision would have three digits.

    Args:
      model: a functional model.
      policy: `float32`, `mixed_bfloat16` or `mixed_float16`.
    """

    def clone(layer: keras.Layer) -> keras.Layer:
        dtype = "float32" if layer is model.layers[-1] else policy
        return layer.__class__.from_config({**layer.get_config(), "dtype": dtype})

    copy = keras.models.clone_model(model, clone_function=clone)
    copy.set_weights(model.get_weights())
    return copy


def make_training_model(classifier: keras.Model, augmentation: list[keras.Layer]) -> keras.Model:
    """Returns augmentation and classifier in one model, sharing the classifier's weights; only this one is fitted."""
    pixels = keras.Input(classifier.input_shape[1:], name="pixels")
    x = pixels
    for layer in augmentation:
        x = layer(x)
    return keras.Model(pixels, classifier(x), name="training")
