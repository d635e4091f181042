"""The weights of a base: from a file of ours, of Keras' own, or none; and what is said when they can't be had."""

import io
import threading
import urllib.error

import keras
import numpy as np
import pytest

from gender_tfds.user_error import UserError
from trainer import pretrained, transfer
from trainer.config import TrainConfig
from trainer.models import build_model

SMALL = "mobilenetv3_small"


def _tiny(include_top, weights, input_shape, filters=4):
    x = inputs = keras.Input(input_shape)
    for block in (1, 2):
        x = keras.layers.Conv2D(filters * block, 3, strides=2, name=f"block{block}_conv")(x)
        x = keras.layers.BatchNormalization(name=f"block{block}_bn")(x)
    return keras.Model(inputs, x, name="tiny")


@pytest.fixture(autouse=True)
def _tiny_base(monkeypatch):
    """Lets vgg16 be two small blocks with the preprocessing of VGG, a convolution of its own."""
    row = transfer.BASES["vgg16"]
    monkeypatch.setitem(transfer.BASES, "vgg16", transfer.Base(_tiny, row.preprocess, row.block, row.cached))


def _build(path="none", name="vgg16"):
    return build_model(TrainConfig(model=name, image_size=32, pretrained=str(path)))


def _base_weights(model):
    return [weight for layer in transfer.base_layers(model) for weight in layer.get_weights()]


def _bare(filters=4):
    base = _tiny(False, None, (48, 48, 3), filters)
    base.set_weights([np.random.default_rng(0).random(weight.shape) for weight in base.get_weights()])
    return base


@pytest.mark.parametrize("file", ["base.keras", "base.weights.h5", "base.h5"])
def test_a_base_alone_gives_its_weights_at_any_size(file, tmp_path, caplog):
    caplog.set_level("INFO")
    bare = _bare()
    bare.save_weights(tmp_path / file) if file.endswith(".weights.h5") else bare.save(tmp_path / file)
    for mine, other in zip(_base_weights(_build(tmp_path / file)), bare.get_weights(), strict=True):
        np.testing.assert_array_equal(mine, other)
    assert caplog.messages[-1] == f"The base vgg16 starts from {tmp_path / file}: 4 layers with weights."


def test_a_saved_classifier_gives_those_of_its_base_and_not_of_its_head(tmp_path):
    source = _build()
    source.set_weights([weight + 1 for weight in source.get_weights()])
    source.save(tmp_path / "run.keras")
    model = _build(tmp_path / "run.keras")
    for mine, other in zip(_base_weights(model), _base_weights(source), strict=True):
        np.testing.assert_array_equal(mine, other)
    assert not np.array_equal(model.layers[-1].kernel, source.layers[-1].kernel)
    swap = [layer.get_weights()[0] for layer in model.layers if layer.name == transfer.PREPROCESSED]
    assert swap[0].sum() == 3  # the preprocessing is the base's own, not the file's


def test_a_network_of_kerass_own_gives_the_features_it_had(tmp_path):
    """Its file has the preprocessing inside, as the default of its constructor is."""
    keras.utils.set_random_seed(1)
    bare = keras.applications.MobileNetV3Small(include_top=False, weights=None, input_shape=(32, 32, 3), pooling="avg")
    for layer in bare.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.moving_variance.assign(layer.moving_variance * 0.01)  # else nothing of the pixels is left
    bare.save(tmp_path / "bare.keras")
    model = _build(tmp_path / "bare.keras", SMALL)
    images = np.random.default_rng(0).random((2, 32, 32, 3)).astype(np.float32) * 255
    features = np.asarray(keras.Model(model.input, model.layers[-1].input)(images))
    assert features.std() > 1e-3
    np.testing.assert_allclose(features, bare(images), rtol=1e-4, atol=1e-6)


def test_a_file_of_another_network_is_one_sentence(tmp_path):
    other = _bare(filters=5)
    other.save(tmp_path / "other.keras")
    other.save_weights(tmp_path / "other.weights.h5")
    with pytest.raises(UserError, match="holds another network than vgg16; give a"):
        _build(tmp_path / "other.keras")
    with pytest.raises(UserError, match="is damaged, or of another network than vgg16") as raised:
        _build(tmp_path / "other.weights.h5")
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("file", ["base.keras", "base.weights.h5", "base.h5"])
@pytest.mark.parametrize("left", [0, 100, 5000])
def test_a_damaged_file_is_one_sentence(file, left, tmp_path):
    path = tmp_path / file
    _bare().save_weights(path) if file.endswith(".weights.h5") else _bare().save(path)
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(UserError, match=f"{file} is damaged") as raised:
        _build(path)
    assert "\n" not in str(raised.value)


def _offline(*arguments, **options):
    raise urllib.error.URLError("Temporary failure in name resolution")


LATE = threading.Event()


def _swallowed(*arguments, **options):
    LATE.wait(60)
    raise TimeoutError


@pytest.fixture
def empty_home(tmp_path, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(("network", "reason"), [(_offline, "Temporary failure"), (_swallowed, "no answer within")])
def test_imagenet_without_a_network_is_one_sentence_that_says_what_to_do(network, reason, empty_home, monkeypatch):
    monkeypatch.setattr("urllib.request.urlopen", network)
    monkeypatch.setattr(pretrained, "_PATIENCE", 0.2)
    LATE.clear()
    with pytest.raises(UserError, match=reason) as raised:
        _build("imagenet", SMALL)
    LATE.set()  # until here nobody waited for the network
    assert "keras.applications.MobileNetV3Small(include_top=False).save('mobilenetv3_small.keras')" in str(raised.value)
    assert "\n" not in str(raised.value)


def test_imagenet_from_kerass_own_folder_needs_no_network(empty_home, monkeypatch):
    monkeypatch.setattr("urllib.request.urlopen", _offline)
    asked = []

    def make(include_top, weights, input_shape):
        asked.append(weights)
        return _tiny(include_top, weights, input_shape)

    row = transfer.BASES["vgg16"]
    monkeypatch.setitem(transfer.BASES, "vgg16", transfer.Base(make, row.preprocess, row.block, row.cached))
    with pytest.raises(UserError, match="failed"):
        _build("imagenet")
    assert not asked
    (empty_home / "models").mkdir()
    (empty_home / "models" / "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5").touch()
    _build("imagenet")
    assert asked == ["imagenet"]


def test_a_download_that_fails_is_one_sentence(empty_home, monkeypatch):
    def make(**options):
        raise Exception("URL fetch failure on https://somewhere: None\nmore")  # what Keras raises

    monkeypatch.setattr("urllib.request.urlopen", lambda *arguments, **options: io.BytesIO())
    row = transfer.BASES["vgg16"]
    monkeypatch.setitem(transfer.BASES, "vgg16", transfer.Base(make, row.preprocess, row.block, row.cached))
    with pytest.raises(UserError, match="URL fetch failure on"):
        _build("imagenet")
