"""A base with its own preprocessing, frozen and then in part unfrozen, in one run that resumes in either phase."""

import dataclasses

import keras
import numpy as np
import pandas as pd
import pytest

from benchmarks.export_models import lively_model
from gender_tfds import run_folder
from gender_tfds.command_line import UserError
from trainer import transfer
from trainer.config import TrainConfig
from trainer.models import MODELS, build_model, with_precision
from trainer.train import train_and_evaluate

MODES = {
    **dict.fromkeys(("vgg16", "vgg19"), "caffe"),
    **dict.fromkeys(("resnet50v2", "inceptionv3", "mobilenetv3_small", "mobilenetv3_large"), "tf"),
    **dict.fromkeys(("efficientnetv2b0", "convnext_tiny"), "torch"),
}
TIMES = ["seconds", "images_per_second"]
TINY = TrainConfig(model="vgg16", image_size=32, batch_size=32, learning_rate=0.01)


@pytest.mark.parametrize("name", sorted(transfer.BASES))
def test_the_preprocessing_is_that_of_the_weights(name):
    pixels = keras.Input((8, 8, 3))
    model = keras.Model(pixels, transfer.BASES[name].preprocess(pixels))
    images = np.random.default_rng(0).random((2, 8, 8, 3)).astype(np.float32) * 255
    wanted = keras.applications.imagenet_utils.preprocess_input(images.copy(), mode=MODES[name])
    np.testing.assert_allclose(model(images), wanted, rtol=1e-4, atol=1e-4)
    assert model.layers[-1].name == transfer.PREPROCESSED
    assert not model.trainable_weights


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_a_copy_in_another_precision_gives_nearly_the_same(precision):
    model, _, images = lively_model("mobilenetv3_small")
    copy = with_precision(model, precision)
    scores, others = np.asarray(model(images)), np.asarray(copy(images))
    assert others.dtype == np.float32
    assert 0 < np.abs(scores - others).mean() < 0.05
    kernels = [layer for layer in copy.layers[:-1] if isinstance(layer, keras.layers.Conv2D)]
    assert {layer.dtype_policy.name for layer in kernels} == {precision}


def _learning(model):
    return [layer.name for layer in transfer.base_layers(model) if layer.trainable_weights]


def test_the_last_blocks_learn_and_no_normalization_does():
    model = MODELS["vgg16"](TINY)
    transfer.unfreeze(model, 0)
    assert _learning(model) == []
    assert [weight.path for weight in model.trainable_weights] == ["p_female/kernel", "p_female/bias"]
    transfer.unfreeze(model, 2)
    assert _learning(model) == [f"block{block}_conv{conv}" for block in (4, 5) for conv in (1, 2, 3)]
    for blocks in (5, 100):
        transfer.unfreeze(model, blocks)
        assert len(_learning(model)) == 13
    model = MODELS["mobilenetv3_small"](TrainConfig(model="mobilenetv3_small"))
    transfer.unfreeze(model, 1)
    names = _learning(model)
    assert names[0] == "expanded_conv_10_expand"
    assert names[-1] == "conv_1"  # what comes after the last block learns with it
    assert not [name for name in names if name.endswith("_bn")]
    transfer.unfreeze(model, 0)
    assert _learning(model) == []


def test_a_model_without_a_base_can_not_be_frozen(tmp_path):
    MODELS["seed_cnn"](TrainConfig()).save(tmp_path / "model.keras")
    start = TrainConfig(init_from=str(tmp_path / "model.keras"), frozen_epochs=1)
    with pytest.raises(UserError, match="seed_cnn has none"):
        build_model(start)
    build_model(dataclasses.replace(start, frozen_epochs=0))


def _small(include_top, weights, input_shape):
    x = inputs = keras.Input(input_shape)
    for block in (1, 2, 3):
        x = keras.layers.Conv2D(8 * block, 3, strides=2, padding="same", name=f"block{block}_conv")(x)
        x = keras.layers.BatchNormalization(momentum=0.5, name=f"block{block}_bn")(x)
        x = keras.layers.Activation("relu")(x)
    return keras.Model(inputs, keras.layers.Dropout(0.1)(x))


@pytest.fixture(scope="module")
def base(data_dir, tmp_path_factory):
    """Replaces vgg16's base by a small one, which takes seconds; yields the file of a run that trained it."""
    folder = tmp_path_factory.mktemp("base")
    with pytest.MonkeyPatch.context() as patch:
        row = transfer.BASES["vgg16"]
        patch.setitem(transfer.BASES, "vgg16", transfer.Base(_small, row.preprocess, row.block, row.cached))
        train_and_evaluate(dataclasses.replace(TINY, epochs=2), str(data_dir), folder / "run")
        yield folder / "run" / run_folder.MODEL


@pytest.fixture
def train(base, data_dir, tmp_path):
    def run(name, stop_after=None, **settings):
        config = dataclasses.replace(TINY, **{"pretrained": str(base), **settings})
        with pytest.MonkeyPatch.context() as patch:
            if stop_after:  # what a killed run leaves: the checkpoint of its last epoch
                patch.setattr("trainer.fit._HistoryFile.on_epoch_end", _stop_after(stop_after))
                with pytest.raises(KeyboardInterrupt):
                    train_and_evaluate(config, str(data_dir), tmp_path / name)
            else:
                train_and_evaluate(config, str(data_dir), tmp_path / name, resume=True)
        return tmp_path / name

    return run


def _stop_after(epochs):
    def on_epoch_end(self, epoch, logs=None):
        if epoch + 1 == epochs:
            raise KeyboardInterrupt

    return on_epoch_end


def _history(workdir):
    return pd.read_csv(workdir / run_folder.HISTORY).drop(columns=TIMES)


def _model(workdir):
    return keras.models.load_model(workdir / run_folder.MODEL)


def _changed(before, after):
    """Returns the names of the layers whose weights differ."""
    pairs = zip(before.layers, after.layers, strict=True)
    return {
        mine.name
        for mine, other in pairs
        if any(not np.array_equal(a, b) for a, b in zip(mine.get_weights(), other.get_weights(), strict=True))
    }


def test_what_is_frozen_stays_and_what_is_not_learns(base, train):
    before = keras.models.load_model(base)
    assert _changed(before, _model(train("frozen", epochs=1, frozen_epochs=1))) == {"p_female"}
    settings = {"epochs": 3, "frozen_epochs": 1, "unfrozen": 1, "unfrozen_rate": 1.0, "learning_rate": 0.002}
    assert _changed(before, _model(train("then", **settings))) == {"p_female", "block3_conv"}
    blocks = {f"block{block}_{kind}" for block in (1, 2, 3) for kind in ("conv", "bn")}
    assert _changed(before, _model(train("all", epochs=1))) == {"p_female", *blocks}
    started = train("file", epochs=1, frozen_epochs=1, pretrained="none", init_from=str(base), model="seed_cnn")
    assert _changed(before, _model(started)) == {"p_female"}


@pytest.mark.parametrize("schedule", ["constant", "cosine"])
def test_the_second_phase_has_a_lower_rate(train, schedule):
    rates = _history(train("run", epochs=4, frozen_epochs=2, unfrozen_rate=0.25, schedule=schedule))["learning_rate"]
    wanted = {"constant": [0.01, 0.01, 0.0025, 0.0025], "cosine": [0.005, 0.0, 0.00125, 0.0]}[schedule]
    np.testing.assert_allclose(rates, wanted, atol=1e-4)


@pytest.mark.parametrize("stop_after", [1, 2, 3])
def test_a_run_killed_in_or_between_its_phases_resumes_to_the_same_end(train, whole, stop_after):
    train("parts", stop_after=stop_after, **TWO_PHASES)
    parts = train("parts", **TWO_PHASES)
    pd.testing.assert_frame_equal(_history(parts), _history(whole))
    assert _changed(_model(parts), _model(whole)) == set()
    ours, theirs = (np.load(folder / run_folder.CHECKPOINT) for folder in (parts, whole))
    assert set(ours) == set(theirs)
    for name in set(ours) - {"progress"}:
        np.testing.assert_array_equal(ours[name], theirs[name])


TWO_PHASES = {"epochs": 4, "frozen_epochs": 2, "unfrozen": 1, "optimizer": "adamw", "dropout": 0.3, "ema": 0.9}


@pytest.fixture(scope="module")
def whole(base, data_dir, tmp_path_factory):
    """The run of two phases that nobody stopped."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    train_and_evaluate(dataclasses.replace(TINY, pretrained=str(base), **TWO_PHASES), str(data_dir), folder)
    return folder


def test_early_stopping_waits_for_the_second_phase(train):
    # a rate at which the loss goes up and down
    settings = {"frozen_epochs": 3, "early_stopping": 1, "learning_rate": 3.0, "unfrozen_rate": 1.0}
    history = _history(train("run", epochs=20, **settings))
    assert (history["val_cross_entropy"][1:3] > history["val_cross_entropy"][0]).any()
    assert 3 < len(history) < 20


def test_a_base_of_kerass_own_is_trained_saved_and_started_from(train, data_dir, tmp_path):
    config = {"model": "mobilenetv3_small", "epochs": 1}
    first = train("first", pretrained="none", **config)
    second = train("second", pretrained=str(first / run_folder.MODEL), frozen_epochs=1, **config)
    assert _changed(_model(first), _model(second)) == {"p_female"}
