"""The settings: what excludes what, and what `config.json` keeps."""

import dataclasses

import pytest

from gender_tfds import faces
from gender_tfds.packaged_models import MODELS
from gender_tfds.user_error import UserError
from trainer.config import TrainConfig


def test_settings_survive_json():
    config = TrainConfig(epochs=3, rotation=0.0, init_from="a.keras")
    assert TrainConfig.from_json(config.to_json()) == config


def test_settings_of_another_version_are_read_as_far_as_they_are_known():
    assert TrainConfig.from_json({"epochs": 3, "gone": 1}) == TrainConfig(epochs=3)


def test_every_setting_has_a_help_text():
    assert all(field.metadata["help"] for field in dataclasses.fields(TrainConfig))


def test_plain_settings_pass():
    assert TrainConfig().checked(None) == TrainConfig()
    assert TrainConfig(cache="disk").checked("somewhere")
    full = TrainConfig(
        model="resnet",
        width=48,
        depth=("1", "2"),
        start_size=32,
        dataset="a,b",
        dataset_weights=("1", "2.5"),
        balance="class_weights",
        class_weights=("1", "2"),
        test_folds=("4",),
        validation_folds=("5", "6"),
    )
    assert full.checked(None) is full
    # a packaged model has not seen the test split of its data, and nothing of other data
    for config in (
        TrainConfig(dataset="fairface", init_from="device"),
        TrainConfig(init_from="accurate", test_folds=("5",)),
    ):
        assert config.checked(None) is config


def test_folds_are_those_of_the_splits_unless_asked_for():
    assert {split: range(f[0], f[-1] + 1) for split in faces.SPLIT_FOLDS if (f := TrainConfig().folds(split))} == (
        faces.SPLIT_FOLDS
    )
    other = TrainConfig(test_folds=("9",), validation_folds=("0", "1"))
    assert [other.folds(split) for split in ("train", "validation", "test")] == [(2, 3, 4, 5, 6, 7, 8), (0, 1), (9,)]


@pytest.mark.parametrize(
    ("config", "cache_dir", "named"),
    [
        (TrainConfig(cache="disk"), None, "--cache_dir"),
        (TrainConfig(cache="memory"), "somewhere", "--cache=disk"),
        (TrainConfig(init_from="/no/such.keras"), None, "/no/such.keras"),
        (TrainConfig(teacher=("/no/such.keras",)), None, "--teacher=/no/such.keras"),
        (TrainConfig(init_from="best"), None, r"--init_from=best is not a file; give a packaged model \(device,"),
        (TrainConfig(dataset="utkface", teacher=("device",), test_folds=("0", "3")), None, "judge on --test_folds=0,1"),
        (
            TrainConfig(dataset="utkface:1.0.0", teacher=("device",), test_folds=("3",)),
            None,
            "judge on --test_folds=0,1",
        ),
        (
            TrainConfig(init_from=str(MODELS["device"]), dataset="utkface", test_folds=("3",)),
            None,
            "judge on --test_fol",
        ),
        (TrainConfig(model="seed_cnn", width=64), None, "--model=seed_cnn has no use for --width=64"),
        (TrainConfig(model="resnet", dense_units=64), None, "--dense_units=64; it takes --width"),
        (TrainConfig(model="resnet", depth=("1", "x")), None, "--depth=1,x"),
        (TrainConfig(model="resnet", depth=("0",)), None, "--depth=0"),
        (TrainConfig(start_size=32), None, "--start_size needs a model that takes every size"),
        (TrainConfig(model="resnet", start_size=128), None, "--start_size=128 is not from 32 to --image_size=64"),
        (TrainConfig(dataset="utkface,"), None, "--dataset=utkface,"),
        (TrainConfig(dataset="a,a"), None, "different names"),
        (
            TrainConfig(dataset="a,b", dataset_weights=("1",)),
            None,
            "--dataset_weights=1 must have a number above 0 for each of a,b",
        ),
        (TrainConfig(dataset="a,b", dataset_weights=("1", "-1")), None, "above 0"),
        (TrainConfig(dataset="a,b", dataset_weights=("1", "nan")), None, "above 0"),
        (TrainConfig(dataset="a,b", dataset_weights=("1", "x")), None, "must be numbers"),
        (TrainConfig(class_weights=("1", "2")), None, "needs --balance=class_weights"),
        (TrainConfig(balance="class_weights", class_weights=("1",)), None, "for each of male,female"),
        (TrainConfig(test_folds=("0", "2")), None, "must be different folds"),
        (TrainConfig(test_folds=("10",)), None, "from 0 to 9"),
        (TrainConfig(test_folds=()), None, "one or more each"),
        (TrainConfig(test_folds=tuple("013456789")), None, "leave one to train on"),
    ],
)
def test_settings_that_exclude_each_other_are_refused(config, cache_dir, named):
    with pytest.raises(UserError, match=named):
        config.checked(cache_dir)
