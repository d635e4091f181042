"""The settings: what excludes what, and what `config.json` keeps."""

import dataclasses

import pytest

from gender_tfds.command_line import UserError
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


@pytest.mark.parametrize(
    ("config", "cache_dir", "named"),
    [
        (TrainConfig(cache="disk"), None, "--cache_dir"),
        (TrainConfig(cache="memory"), "somewhere", "--cache=disk"),
        (TrainConfig(init_from="/no/such.keras"), None, "/no/such.keras"),
    ],
)
def test_settings_that_exclude_each_other_are_refused(config, cache_dir, named):
    with pytest.raises(UserError, match=named):
        config.checked(cache_dir)
