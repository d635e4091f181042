"""The architectures, and a model's arithmetic: pixels in [0, 255] in, probability of female out."""

from collections.abc import Callable, Sequence

import keras
from keras import layers

from gender_tfds.packaged_models import keras_file
from gender_tfds.saved_run import load_classifier
from gender_tfds.user_error import UserError
from trainer import transfer
from trainer.config import TrainConfig

OUTPUT = "p_female"


def seed_cnn(config: TrainConfig) -> keras.Model:
    """Three convolutions, each with max-pooling, and one dense layer: the model this project started from."""
    pixels = _pixels(config)
    x = layers.Rescaling(1 / 255)(pixels)
    for filters in (32, 64, 128):
        x = layers.Conv2D(filters, 3, activation="relu")(x)
        x = layers.MaxPooling2D()(x)
    x = layers.Flatten()(x)
    x = layers.Dense(128, activation="relu")(x)
    return _classifier(config, pixels, x)


def deep_cnn(config: TrainConfig) -> keras.Model:
    """The seed's blocks with more of everything: `depth` convolutions in each stage, `dense_layers` at the end."""
    pixels = _pixels(config)
    x = layers.Rescaling(1 / 255)(pixels)
    for stage, depth in enumerate(config.depth):
        for _ in range(int(depth)):
            x = layers.Conv2D(config.width << stage, 3, padding="same", activation="relu")(x)
        x = layers.MaxPooling2D()(x)
    x = layers.Flatten()(x)
    for _ in range(config.dense_layers):
        x = layers.Dense(config.dense_units, activation="relu")(x)
    return _classifier(config, pixels, x)


def resnet(config: TrainConfig) -> keras.Model:
    """A compact residual network: a stem, stages of `depth` basic blocks, each of half the size, mean pooling.

    He et al., "Deep Residual Learning for Image Recognition", 2015; shortcuts that change the shape average before they
    project, after He et al., "Bag of Tricks", 2018. It has no flatten, so its weights fit every input size. Every
    convolution is followed by its normalization alone, which exporters fold into it.
    """
    pixels = _pixels(config)
    x = layers.Rescaling(1 / 64, offset=-2.0)(pixels)
    x = layers.Activation("relu")(_convolution(x, config.width // 2, strides=2))
    for stage, depth in enumerate(config.depth):
        filters = config.width << stage
        for block in range(int(depth)):
            strides = 1 if block else 2
            y = layers.Activation("relu")(_convolution(x, filters, strides=strides))
            # a block that starts as the identity lets a deep network learn from its first step
            y = _convolution(y, filters, gamma="zeros")
            if strides > 1:
                x = _convolution(layers.AveragePooling2D(2, padding="same")(x), filters, kernel=1)
            x = layers.Activation("relu")(layers.Add()([x, y]))
    return _classifier(config, pixels, layers.GlobalAveragePooling2D()(x))


def transfer_model(config: TrainConfig) -> keras.Model:
    """A base of `keras.applications` with its own preprocessing, and one dense layer on its mean features."""
    pixels = _pixels(config)
    return _classifier(config, pixels, transfer.extract_features(config, pixels))


# name of the architecture -> function of the settings; each takes [0, 255] and gives (n, 1) in [0, 1], in float32
MODELS: dict[str, Callable[[TrainConfig], keras.Model]] = {
    "seed_cnn": seed_cnn,
    "deep_cnn": deep_cnn,
    "resnet": resnet,
    **dict.fromkeys(transfer.BASES, transfer_model),
}


def build_model(config: TrainConfig) -> keras.Model:
    """Returns the model to train, in float32: of `config.model`, or the one that `config.init_from` names.

    Raises:
      UserError: the file is not a face classifier that ends in a dense layer with a sigmoid, has no base to freeze,
        holds no weights for `config.model`, or fits no pictures of `config.image_size` or `config.start_size`.
    """
    model = _load_at_size(config.init_from, config) if config.init_from else MODELS[config.model](config)
    if config.frozen_epochs:
        transfer.base_layers(model)  # which raises, before the run folder is touched
    return model


def load_teachers(config: TrainConfig) -> list[keras.Model]:
    """Returns the models whose opinion is a part of the target, in float32.

    Raises:
      UserError: a file is not a face classifier or gives no probability, or the largest pictures among those of the
        teachers and of the run are more than twice as large as the smallest.
    """
    teachers = [_load("teacher", path) for path in config.teacher]
    sizes = sorted({teacher.input_shape[1] for teacher in teachers})
    own = (config.start_size or config.image_size, config.image_size)
    if sizes and max(*sizes, *own) > 2 * min(*sizes, *own):
        start = f" --start_size={config.start_size}" if config.start_size else ""
        raise UserError(
            f"--teacher={','.join(config.teacher)} take pictures of {', '.join(map(str, sizes))} pixels and the"
            f" model of{start} --image_size={config.image_size}; the largest may be twice as large as the smallest"
        )
    return teachers


def is_sigmoid_dense(last: keras.Operation) -> bool:
    """Returns whether what a model ends in is a dense layer with a sigmoid, so that its weights give the logit."""
    return isinstance(last, layers.Dense) and last.activation is keras.activations.sigmoid


def _load(flag: str, path: str) -> keras.Model:
    model = load_classifier(keras_file(path))
    if isinstance(model, keras.Sequential):  # what is cloned, cut and built upon here are functional models
        model = keras.Model(model.inputs[0], model.outputs[0], name=model.name)
    last = model.operations[-1]
    activation = getattr(last, "activation", None)
    # a teacher's opinion may come from any layer, but for one whose activation gives no probability
    taught = flag == "teacher" and activation in (None, keras.activations.sigmoid)
    if not (taught or is_sigmoid_dense(last)):
        given = f"{type(last).__name__} ({getattr(activation, '__name__', 'no activation')})"
        raise UserError(
            f"--{flag}={path} ends in {given}; its last layer must be dense with a sigmoid, such as"
            " keras.layers.Dense(1, activation='sigmoid')"
        )
    return model


def _load_at_size(path: str, config: TrainConfig) -> keras.Model:
    model = _load("init_from", path)
    for size in dict.fromkeys((config.start_size or config.image_size, config.image_size)):
        try:
            resized = at_size(model, size)
        except ValueError as error:
            own = model.input_shape[1]
            raise UserError(
                f"--init_from={path} takes no pictures of {size} pixels; its own are of --image_size={own}"
            ) from error
    return resized


def at_size(model: keras.Model, size: int) -> keras.Model:
    """Returns a copy of a model, weights included, for pictures of `size` pixels; the model itself if it is for those.

    Raises:
      ValueError: its weights fit no other size: behind a flatten each place has its own.
    """
    if model.input_shape[1] == size:
        return model
    resized = keras.models.clone_model(model, input_tensors=keras.Input((size, size, 3), name="pixels"))
    resized.set_weights(model.get_weights())
    return resized


def with_precision(model: keras.Model, policy: str) -> keras.Model:
    """Returns a copy of a model, weights included, whose layers compute as the dtype policy says.

    The last layer keeps float32: a probability in half precision would have three digits.

    Args:
      model: a functional model.
      policy: `float32`, `mixed_bfloat16` or `mixed_float16`.
    """

    def clone(layer: keras.Layer) -> keras.Layer:
        if not isinstance(layer, keras.Layer):  # an addition of two tensors, say, has no dtype of its own
            return layer.__class__.from_config(layer.get_config())
        dtype = "float32" if layer is model.layers[-1] else policy
        return layer.__class__.from_config({**layer.get_config(), "dtype": dtype})

    copy = keras.models.clone_model(model, clone_function=clone)
    copy.set_weights(model.get_weights())
    return copy


def make_training_model(
    classifier: keras.Model, augmentation: keras.Model, teachers: Sequence[keras.Model] = ()
) -> keras.Model:
    """Returns augmentation, classifier and a head for the age in one model, sharing the classifier's weights.

    Only this one is fitted. It takes pixels, (n, size, size, 3), and gives `trainer.objective.OUTPUTS`, (n, 4).

    Args:
      classifier: a functional model whose last layer is dense.
      augmentation: of `trainer.augmentation.make_augmentation`, for pictures of the largest input size among the
        classifier and its teachers; each sees the same changed picture in its own size, at least half of that.
      teachers: models that are not trained.
    """
    pixels = keras.Input(augmentation.input_shape[1:], name="pixels")
    changed, share = augmentation(pixels)

    def seen_by(model: keras.Model) -> keras.KerasTensor:
        size = model.input_shape[1]
        # from one to two times the size, bilinear is all but the area average that scoring takes, and the same at two
        return changed if changed.shape[1] == size else layers.Resizing(size, size, dtype="float32")(changed)

    body = keras.Model(classifier.input, [classifier.output, classifier.layers[-1].input], name="classifier")
    score, features = body(seen_by(classifier))
    age = layers.Dense(1, name="age", dtype="float32")(features)
    opinion = score
    if teachers:
        # models of one architecture have one name; in a model each needs its own
        named = [keras.Model(model.input, model.output, name=f"teacher_{n}") for n, model in enumerate(teachers)]
        for model in named:
            model.trainable = False
        opinion = sum(model(seen_by(model), training=False) for model in named) / len(named)
    return keras.Model(pixels, layers.Concatenate(dtype="float32")([score, age, share, opinion]), name="training")


def _pixels(config: TrainConfig) -> keras.KerasTensor:
    return keras.Input((config.image_size, config.image_size, 3), name="pixels")


def _convolution(
    x: keras.KerasTensor, filters: int, kernel: int = 3, strides: int = 1, gamma: str = "ones"
) -> keras.KerasTensor:
    x = layers.Conv2D(filters, kernel, strides=strides, padding="same", use_bias=False, kernel_initializer="he_normal")(
        x
    )
    # the usual momentum of 0.99 needs more steps than a short run has
    return layers.BatchNormalization(momentum=0.9, gamma_initializer=gamma)(x)


def _classifier(config: TrainConfig, pixels: keras.KerasTensor, features: keras.KerasTensor) -> keras.Model:
    if config.dropout:
        features = layers.Dropout(config.dropout, seed=config.seed)(features)
    score = layers.Dense(1, activation="sigmoid", name=OUTPUT)(features)
    return keras.Model(pixels, score, name=config.model)
