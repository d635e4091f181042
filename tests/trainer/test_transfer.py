"""A base with its own preprocessing, frozen and then in part unfrozen, in one run that resumes in either phase."""

import dataclasses

import keras
import numpy as np
import pandas as pd
import pytest

from benchmarks.export_models import lively_model
from gender_tfds import reading
from gender_tfds.user_error import UserError
from trainer import transfer
from trainer.config import TrainConfig
from trainer.fit import Training
from trainer.models import MODELS, build_model, with_precision

MODES = {
    **dict.fromkeys(("vgg16", "vgg19"), "caffe"),
    **dict.fromkeys(("resnet50v2", "inceptionv3", "mobilenetv3_small", "mobilenetv3_large"), "tf"),
    **dict.fromkeys(("efficientnetv2b0", "convnext_tiny"), "torch"),
}
TINY = TrainConfig(model="vgg16", image_size=32, batch_size=32, learning_rate=0.01, rotation=0.0)


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
    """Replaces vgg16's base by a small one, which takes seconds; yields the file of a model that was trained."""
    folder = tmp_path_factory.mktemp("base")
    with pytest.MonkeyPatch.context() as patch:
        row = transfer.BASES["vgg16"]
        patch.setitem(transfer.BASES, "vgg16", transfer.Base(_small, row.preprocess, row.block, row.cached))
        trained = _fit(data_dir, folder, epochs=2, pretrained="none")
        _classifier(trained).save(folder / "base.keras")
        yield folder / "base.keras"


def _fit(data_dir, workdir, **settings):
    """Trains without the judging, goes on where `workdir` has a checkpoint, and returns the last epoch's state."""
    config = dataclasses.replace(TINY, **settings).checked(None)
    workdir.mkdir(exist_ok=True)
    keras.utils.set_random_seed(config.seed)
    builders = [reading.open_built(config.dataset, str(data_dir))]
    classifier = build_model(config)
    return Training(config=config, builders=builders, classifier=classifier, precision="float32").run(workdir)


def _classifier(checkpoints):
    body = checkpoints.model.get_layer("classifier")
    return keras.Model(body.inputs, body.outputs[0], name="vgg16")


def _history(checkpoints):
    return pd.DataFrame(checkpoints.progress.history).drop(columns=["seconds", "images_per_second"])


def _changed(before, after):
    """Returns the names of the layers whose weights differ."""
    ours, theirs = (
        {layer.name: layer.get_weights() for layer in model.layers if layer.weights} for model in (before, after)
    )
    assert list(ours) == list(theirs)
    return {name for name in ours if not all(map(np.array_equal, ours[name], theirs[name]))}


TWO_PHASES = {"epochs": 4, "frozen_epochs": 2, "unfrozen": 1, "unfrozen_rate": 0.25}
REST = {"optimizer": "adamw", "schedule": "cosine", "dropout": 0.3, "ema": 0.9, "age_weight": 0.1}


@pytest.fixture(scope="module")
def whole(base, data_dir, tmp_path_factory):
    """The training in two phases that nobody stopped."""
    return _fit(data_dir, tmp_path_factory.mktemp("whole"), pretrained=str(base), **TWO_PHASES, **REST)


def test_the_second_phase_trains_the_last_block_at_a_lower_rate(base, whole):
    assert _changed(keras.models.load_model(base), _classifier(whole)) == {"p_female", "block3_conv"}
    # each phase has a cosine of its own, here after its first half and at its end
    np.testing.assert_allclose(_history(whole)["learning_rate"], [0.005, 0.0, 0.00125, 0.0], atol=1e-6)


@pytest.mark.parametrize("from_file", [{"pretrained": "FILE"}, {"init_from": "FILE", "model": "seed_cnn"}])
def test_a_frozen_base_stays_as_it_is(base, data_dir, tmp_path, from_file):
    settings = {name: value.replace("FILE", str(base)) for name, value in from_file.items()}
    before = keras.models.load_model(base)
    frozen = _fit(data_dir, tmp_path / "frozen", epochs=1, frozen_epochs=1, **settings)
    assert _changed(before, _classifier(frozen)) == {"p_female"}


def test_without_frozen_epochs_all_of_the_base_learns(base, data_dir, tmp_path):
    trained = _fit(data_dir, tmp_path / "run", epochs=1, pretrained=str(base))
    blocks = {f"block{block}_{kind}" for block in (1, 2, 3) for kind in ("conv", "bn")}
    assert _changed(keras.models.load_model(base), _classifier(trained)) == {"p_female", *blocks}


@pytest.mark.parametrize(
    "stop_after", [pytest.param(1, marks=pytest.mark.slow), 2, pytest.param(3, marks=pytest.mark.slow)]
)
def test_a_run_killed_in_or_between_its_phases_resumes_to_the_same_end(base, whole, data_dir, tmp_path, stop_after):
    settings = {"pretrained": str(base), **TWO_PHASES, **REST}
    with pytest.MonkeyPatch.context() as patch:  # what a killed run leaves is the checkpoint of its last epoch
        patch.setattr("trainer.fit._HistoryFile.on_epoch_end", _stop_after(stop_after))
        with pytest.raises(KeyboardInterrupt):
            _fit(data_dir, tmp_path / "parts", **settings)
    parts = _fit(data_dir, tmp_path / "parts", **settings)
    pd.testing.assert_frame_equal(_history(parts), _history(whole))
    ours, theirs = (np.load(checkpoints.path) for checkpoints in (parts, whole))
    assert set(ours) == set(theirs)
    for name in set(ours) - {"progress"}:
        np.testing.assert_array_equal(ours[name], theirs[name])


def _stop_after(epochs):
    def on_epoch_end(self, epoch, logs=None):
        if epoch + 1 == epochs:
            raise KeyboardInterrupt

    return on_epoch_end


def test_a_base_of_kerass_own_is_trained_saved_and_started_from(tmp_path):
    trained, _, images = lively_model("mobilenetv3_small")
    trained.compile("sgd", "binary_crossentropy", run_eagerly=True)
    trained.train_on_batch(images[:8], np.arange(8) % 2)
    trained.save(tmp_path / "base.keras")
    config = TrainConfig(model="mobilenetv3_small", image_size=32)
    again = build_model(dataclasses.replace(config, pretrained=str(tmp_path / "base.keras")))
    assert _changed(trained, again) == {"p_female"}
    assert "expanded_conv_10_expand" in _changed(trained, build_model(config))
