"""The names of the architectures, and which settings go with which. Imports no Keras: `--help` reads it."""

import pathlib
from typing import TYPE_CHECKING

from gender_tfds.user_error import UserError

if TYPE_CHECKING:
    from trainer.config import TrainConfig

# architecture -> the settings that it has a use for; trainer/models.py and trainer/transfer.py build them
_BLOCKS = ("width", "depth", "dropout")
_FREEZING = ("frozen_epochs", "unfrozen", "unfrozen_rate")
_TRANSFER = ("dropout", "pretrained", *_FREEZING)
ARCHITECTURES: dict[str, tuple[str, ...]] = {
    "seed_cnn": (),
    "deep_cnn": (*_BLOCKS, "dense_units", "dense_layers"),
    "resnet": _BLOCKS,
    "vgg16": _TRANSFER,
    "vgg19": _TRANSFER,
    "resnet50v2": _TRANSFER,
    "inceptionv3": _TRANSFER,
    "mobilenetv3_small": _TRANSFER,
    "mobilenetv3_large": _TRANSFER,
    "efficientnetv2b0": _TRANSFER,
    "convnext_tiny": _TRANSFER,
}
_OF_MODELS = ["model", *sorted({name for names in ARCHITECTURES.values() for name in names})]
SMALLEST_SIZE = {"inceptionv3": 75}  # of the input; all others take every size that --image_size allows


def unused_settings(config: "TrainConfig") -> list[str]:
    """Returns the names of the settings that shape models, but not the model of `config`."""
    # the network of a file is as it is, but whether its base is frozen
    used = _FREEZING if config.init_from else ("model", *ARCHITECTURES[config.model])
    return [name for name in _OF_MODELS if name not in used]


def unused_flags(config: "TrainConfig") -> list[str]:
    """Returns those of `unused_settings` that are not at their default, each as it is typed."""
    values = {name: getattr(config, name) for name in unused_settings(config)}
    return [
        f"--{name}={','.join(value) if isinstance(value, tuple) else value}"
        for name, value in values.items()
        if value != getattr(type(config), name)
    ]


def check_model(config: "TrainConfig") -> None:
    """Checks the settings of the model and of what its weights start from.

    Raises:
      UserError: settings that the architecture has no use for, or that exclude each other; a size or a file that can't
        be its.
    """
    unused = unused_flags(config)
    if unused and not config.init_from:
        takes = ", ".join(f"--{name}" for name in ARCHITECTURES[config.model]) or "no such setting"
        raise UserError(f"--model={config.model} has no use for {' and '.join(unused)}; it takes {takes}")
    if config.start_size and not 32 <= config.start_size <= config.image_size:
        raise UserError(f"--start_size={config.start_size} is not from 32 to --image_size={config.image_size}, nor 0")
    if config.start_size and config.model != "resnet" and not config.init_from:
        raise UserError(f"--start_size needs a model that takes every size, --model=resnet; {config.model} does not")
    if config.model == "deep_cnn" and not config.init_from and config.image_size < (least := 2 ** len(config.depth)):
        raise UserError(
            f"--model=deep_cnn halves its picture in each of the {len(config.depth)} stages of"
            f" --depth={','.join(config.depth)}, which --image_size={config.image_size} is too small for; give {least}"
            " or more, or fewer stages"
        )
    _check_transfer(config)


def _check_transfer(config: "TrainConfig") -> None:
    smallest = SMALLEST_SIZE.get(config.model, 0)
    if config.image_size < smallest and not config.init_from:
        raise UserError(f"--model={config.model} needs --image_size={smallest} or more, not {config.image_size}")
    given = config.pretrained not in ("none", "imagenet")
    if given and not (config.pretrained.endswith((".keras", ".h5")) and pathlib.Path(config.pretrained).is_file()):
        raise UserError(
            f"--pretrained={config.pretrained} is neither none nor imagenet nor a .keras, .weights.h5 or .h5 file"
        )
    if config.init_from and config.pretrained != "none":
        raise UserError("--init_from and --pretrained exclude each other: both say where the weights come from")
    if config.frozen_epochs and config.pretrained == "none" and not config.init_from:
        raise UserError(f"--frozen_epochs={config.frozen_epochs} would freeze random weights; give --pretrained too")
    if config.frozen_epochs and config.start_size:
        raise UserError("--frozen_epochs and --start_size exclude each other")
    for name in ("unfrozen", "unfrozen_rate"):
        if getattr(config, name) != getattr(type(config), name) and not 0 < config.frozen_epochs < config.epochs:
            raise UserError(
                f"--{name}={getattr(config, name)} is of the epochs after --frozen_epochs={config.frozen_epochs}, and"
                f" with --epochs={config.epochs} there are none; give frozen epochs, and fewer than all"
            )
