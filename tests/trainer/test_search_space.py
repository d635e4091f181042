"""What a search varies: valid settings for every architecture, and presets that read back as what was found."""

import dataclasses

import pytest
from optuna.distributions import CategoricalDistribution

from gender_tfds.user_error import UserError
from trainer import commands
from trainer.config import ARCHITECTURES, TrainConfig
from trainer.search_space import SPACE, as_config, as_flags, as_params, make_space


def _ends(values):
    return values.choices if isinstance(values, CategoricalDistribution) else (values.low, values.high)


@pytest.mark.parametrize("model", ARCHITECTURES)
def test_every_value_is_a_setting_that_the_command_takes(model):
    base = TrainConfig(model=model, image_size=96)
    for name, values in make_space(base).items():
        for value in _ends(values):
            config = as_config(base, {name: value})
            assert config.checked(None) == config
            parsed, _, _ = commands.TRAIN.parse(["--workdir=w", *as_flags(config)])
            assert parsed == config


def test_an_architecture_is_searched_for_what_it_has():
    shapes = {name for names in ARCHITECTURES.values() for name in names}
    for model, names in ARCHITECTURES.items():
        assert set(make_space(TrainConfig(model=model))) & shapes == set(names) & set(SPACE)
    assert not set(make_space(TrainConfig(model="resnet", init_from="a.keras"))) & shapes


def test_the_starting_point_lies_within_whatever_it_is():
    base = TrainConfig(model="resnet", depth=("1", "5"), width=20, learning_rate=0.5, rotation=90.0, batch_size=48)
    space, own = make_space(base), as_params(base, SPACE)
    for name, values in space.items():
        assert values._contains(values.to_internal_repr(own[name])), name
    assert space["learning_rate"].log
    assert as_config(TrainConfig(model="resnet"), {name: own[name] for name in space}) == base


def test_what_lies_within_changes_nothing():
    assert make_space(TrainConfig(model="resnet"), ["width", "zoom"]) == {
        "width": SPACE["width"],
        "zoom": SPACE["zoom"],
    }


@pytest.mark.parametrize("name", ["width", "seed", "lerning_rate"])
def test_what_cannot_be_searched_is_one_sentence(name):
    with pytest.raises(UserError, match=f"--search={name} can't be searched .* optimizer,learning_rate,"):
        make_space(TrainConfig(model="seed_cnn"), ["zoom", name])


def test_a_preset_reads_back_as_the_settings(tmp_path):
    config = TrainConfig(
        model="deep_cnn",
        dataset="a,b",
        dataset_weights=("1", "2.5"),
        depth=("1", "2"),
        learning_rate=0.00123456789012345,
        flip=False,
        init_from=str(tmp_path / "a model.keras"),
        epochs=3,
    )
    preset = tmp_path / "found.flags"
    preset.write_text("# --epochs=7 is a comment\n" + "\n".join(as_flags(config)) + "\n")
    parsed, _, _ = commands.TRAIN.parse(["--workdir=w", f"--preset={preset}"])
    assert parsed == config
    parsed, _, _ = commands.TRAIN.parse(["--workdir=w", f"--preset={preset}", "--epochs=5"])
    assert parsed == dataclasses.replace(config, epochs=5)


def test_the_defaults_need_no_flag():
    assert as_flags(TrainConfig()) == []
