"""Which settings go with which architecture: the others are refused in a sentence that names them."""

import pytest

from gender_tfds.user_error import UserError
from trainer.architectures import ARCHITECTURES, unused_flags
from trainer.config import TrainConfig

IMAGENET = {"model": "mobilenetv3_small", "pretrained": "imagenet"}


def test_what_a_transfer_model_takes_passes(tmp_path):
    full = TrainConfig(**IMAGENET, frozen_epochs=3, unfrozen=5, unfrozen_rate=0.5, dropout=0.2)
    assert full.checked(None) is full
    TrainConfig(**IMAGENET, frozen_epochs=10, epochs=10).checked(None)
    TrainConfig(model="inceptionv3", image_size=75).checked(None)
    TrainConfig(model="deep_cnn", depth=("1",) * 6, image_size=64).checked(None)
    for name in ("base.keras", "base.weights.h5", "base.h5"):
        (tmp_path / name).touch()
        TrainConfig(model="vgg16", pretrained=str(tmp_path / name)).checked(None)


@pytest.mark.parametrize("model", [name for name, takes in ARCHITECTURES.items() if "pretrained" not in takes])
@pytest.mark.parametrize(
    ("setting", "value"), [("pretrained", "imagenet"), ("frozen_epochs", 2), ("unfrozen", 3), ("unfrozen_rate", 0.5)]
)
def test_a_model_without_a_base_has_no_use_for_settings_of_one(model, setting, value):
    with pytest.raises(UserError, match=f"--model={model} has no use for --{setting}={value}"):
        TrainConfig(model=model, **{setting: value}).checked(None)


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"model": "vgg16", "width": 64}, "no use for --width=64; it takes --dropout, --pretrained"),
        (
            {"model": "deep_cnn", "depth": ("1",) * 6, "image_size": 63},
            "--depth=1,1,1,1,1,1, which --image_size=63 is too small for; give 64 or more, or fewer stages",
        ),
        ({"model": "inceptionv3", "image_size": 74}, "--model=inceptionv3 needs --image_size=75 or more, not 74"),
        ({"model": "vgg16", "pretrained": "/no/such.keras"}, "--pretrained=/no/such.keras is neither none nor"),
        ({"model": "vgg16", "pretrained": __file__}, "nor a .keras, .weights.h5 or .h5 file"),
        ({"model": "vgg16", "frozen_epochs": 2}, "--frozen_epochs=2 would freeze random weights"),
        ({**IMAGENET, "init_from": __file__}, "--init_from and --pretrained exclude each other"),
        ({"init_from": __file__, "model": "resnet", "frozen_epochs": 1, "start_size": 32}, "--start_size exclude"),
        ({**IMAGENET, "unfrozen": 3}, "--unfrozen=3 is of the epochs after --frozen_epochs=0"),
        ({**IMAGENET, "unfrozen_rate": 0.5, "frozen_epochs": 10}, "with --epochs=10 there are none"),
    ],
)
def test_what_excludes_each_other_is_refused(settings, named):
    with pytest.raises(UserError, match=named):
        TrainConfig(**settings).checked(None)


def test_what_a_file_that_is_begun_from_has_no_use_for_is_named():
    shape = {"model": "resnet", "width": 48, "depth": ("1", "2"), "dropout": 0.5}
    used = {"frozen_epochs": 2, "unfrozen": 3, "unfrozen_rate": 0.5, "learning_rate": 0.1}
    named = ["--model=resnet", "--depth=1,2", "--dropout=0.5", "--width=48"]
    assert unused_flags(TrainConfig(init_from="device", **shape, **used)) == named
    assert unused_flags(TrainConfig(init_from="device", **used)) == []
    assert unused_flags(TrainConfig(**shape)) == []
