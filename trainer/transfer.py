"""Transfer learning: a base of `keras.applications`, its own preprocessing before it, and which part of it learns.

The layers of the base lie flat in the classifier, between two with the names `PREPROCESSED` and `FEATURES`.
"""

import dataclasses
import functools
import re
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import applications, layers

from gender_tfds.user_error import UserError
from trainer.config import TrainConfig
from trainer.pretrained import make_base

PREPROCESSED, FEATURES = "preprocessed", "features"
_BGR_MEAN = (103.939, 116.779, 123.68)
_RGB_MEAN, _RGB_DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def _from_minus_1_to_1(pixels: keras.KerasTensor) -> keras.KerasTensor:
    return layers.Rescaling(1 / 127.5, offset=-1.0, name=PREPROCESSED)(pixels)


def _standardised(pixels: keras.KerasTensor) -> keras.KerasTensor:
    scale = [1 / (255 * deviation) for deviation in _RGB_DEVIATION]
    offset = [-mean / deviation for mean, deviation in zip(_RGB_MEAN, _RGB_DEVIATION, strict=True)]
    return layers.Rescaling(scale, offset=offset, name=PREPROCESSED)(pixels)


def _centred_bgr(pixels: keras.KerasTensor) -> keras.KerasTensor:
    # a convolution that never learns is the one plain layer that swaps channels
    swap = layers.Conv2D(3, 1, trainable=False, name=PREPROCESSED)
    preprocessed = swap(pixels)
    swap.set_weights([np.eye(3)[::-1].reshape(1, 1, 3, 3), -np.array(_BGR_MEAN)])
    return preprocessed


@dataclasses.dataclass(frozen=True)
class Base:
    """A network of `keras.applications`.

    Attributes:
      make: its constructor.
      preprocess: from pixels in [0, 255] to what its weights expect; its last layer is named `PREPROCESSED`.
      block: a regular expression for the part of a layer's name that tells its block. A block ends with the last layer
        of its name; what comes before that and after the block before belongs to it, whatever it is called.
      cached: a pattern of the file names of its ImageNet weights.
    """

    make: Callable[..., keras.Model]
    preprocess: Callable[[keras.KerasTensor], keras.KerasTensor]
    block: str
    cached: str


def _bare(constructor: Callable[..., keras.Model]) -> Callable[..., keras.Model]:
    return functools.partial(constructor, include_preprocessing=False)


_MOBILE = r"expanded_conv(_\d+)?"
# The smallest input of a base stands in trainer/architectures.py, which is read before Keras is.
BASES: dict[str, Base] = {
    "vgg16": Base(applications.VGG16, _centred_bgr, r"block\d", "vgg16*notop*"),
    "vgg19": Base(applications.VGG19, _centred_bgr, r"block\d", "vgg19*notop*"),
    "resnet50v2": Base(applications.ResNet50V2, _from_minus_1_to_1, r"conv\d_block\d+", "resnet50v2*notop*"),
    "inceptionv3": Base(applications.InceptionV3, _from_minus_1_to_1, r"mixed\d+$", "inception_v3*notop*"),
    "mobilenetv3_small": Base(
        _bare(applications.MobileNetV3Small), _from_minus_1_to_1, _MOBILE, "*mobilenet_v3_small*no_top*"
    ),
    "mobilenetv3_large": Base(
        _bare(applications.MobileNetV3Large), _from_minus_1_to_1, _MOBILE, "*mobilenet_v3_large*no_top*"
    ),
    "efficientnetv2b0": Base(
        _bare(applications.EfficientNetV2B0), _standardised, r"block\d[a-z]", "efficientnetv2-b0*notop*"
    ),
    "convnext_tiny": Base(
        _bare(applications.ConvNeXtTiny), _standardised, r"stage_\d_block_\d+", "convnext_tiny*notop*"
    ),
}


def extract_features(config: TrainConfig, pixels: keras.KerasTensor) -> keras.KerasTensor:
    """Returns the mean features of the base `config.model`, (n, channels), of pixels in [0, 255], (n, size, size, 3).

    Raises:
      UserError: `config.pretrained` can't be had or is of another base.
    """
    row = BASES[config.model]
    base = make_base(row.make, row.cached, config)
    preprocessed = row.preprocess(pixels)

    def call(layer: Any, *inputs: Any, **options: Any) -> Any:
        given = [preprocessed if x is pixels else x for x in inputs]
        if not isinstance(layer, keras.Sequential):
            return layer(*given, **options)
        (x,) = given
        for part in layer.layers:
            x = part(x)
        return x

    # grafted layer by layer: a model within the model would hide its layers from precision and from freezing
    grafted = keras.models.clone_model(
        base, input_tensors=pixels, clone_function=lambda layer: layer, call_function=call
    )
    return layers.GlobalAveragePooling2D(name=FEATURES)(grafted.output)


def base_layers(model: keras.Model) -> list[keras.Layer]:
    """Returns the layers of a classifier's base.

    Raises:
      UserError: the model has none.
    """
    names = [layer.name for layer in model.layers]
    if model.name not in BASES or not {PREPROCESSED, FEATURES} <= set(names):
        raise UserError(f"--frozen_epochs needs a model with a base, one of {', '.join(BASES)}; {model.name} has none")
    return model.layers[names.index(PREPROCESSED) + 1 : names.index(FEATURES)]


def unfreeze(model: keras.Model, blocks: int) -> None:
    """Lets the last blocks of a classifier's base learn and nothing before them; 0 is nothing of the base.

    Its batch normalizations keep their statistics and don't learn: the batches of a short run would spoil them.

    Raises:
      UserError: the model has no base.
    """
    base = base_layers(model)
    names = [re.search(BASES[model.name].block, layer.name) for layer in base]
    last = {match[0]: index for index, match in enumerate(names) if match}
    ends = [-1, *sorted(last.values())]
    first = ends[max(len(ends) - 1 - blocks, 0)] + 1 if blocks else len(base)
    for index, layer in enumerate(base):
        layer.trainable = index >= first and not isinstance(layer, layers.BatchNormalization)
