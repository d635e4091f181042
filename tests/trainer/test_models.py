"""Every model: [0, 255] in, a probability out, in float32, whatever it was trained in; and it survives its file."""

import dataclasses
import functools

import keras
import numpy as np
import pytest

from benchmarks.export_models import FORMATS, export, lively_model
from gender_tfds.packaged_models import MODELS as MODELS_BY_NAME
from gender_tfds.user_error import UserError
from tests.trainer.conftest import every_model
from trainer.augmentation import make_augmentation
from trainer.calibration import fold_temperature
from trainer.config import ARCHITECTURES, TrainConfig
from trainer.models import MODELS, OUTPUT, build_model, load_teachers, make_training_model, with_precision
from trainer.objective import OUTPUTS

PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8)


@every_model
def test_a_model_gives_probabilities_and_survives_its_file(name, tmp_path):
    model, _, faces = lively_model(name, number=4)
    scores = np.asarray(model(faces))
    assert scores.shape == (4, 1)
    assert scores.dtype == np.float32
    assert ((scores > 0) & (scores < 1)).all()
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(faces), scores)
    # the scale belongs to the model: pixels in [0, 1] are another picture
    assert not np.allclose(model(faces / 255.0), scores, atol=1e-3)
    assert (again.layers[-1].name, type(again.layers[-1])) == (OUTPUT, keras.layers.Dense)
    assert not any(isinstance(layer, keras.Model) for layer in again.layers)


# the others take minutes: benchmarks/export_models.py
@pytest.mark.parametrize(
    "name",
    ["resnet", "seed_cnn", *(pytest.param(one, marks=pytest.mark.slow) for one in ("deep_cnn", "mobilenetv3_small"))],
)
def test_a_light_model_becomes_artefacts_with_its_answers(name):
    said = list(export(name))
    assert len(said) == len(FORMATS)
    assert not [sentence for sentence in said if sentence.startswith("refused")]


def test_every_model_can_be_asked_for():
    assert set(TrainConfig.__dataclass_fields__["model"].metadata["choices"]) == set(MODELS) == set(ARCHITECTURES)


def test_the_seed_model_is_the_recipe():
    model = MODELS["seed_cnn"](TrainConfig())
    layers = [layer.__class__.__name__ for layer in model.layers]
    assert layers == [
        *("InputLayer", "Rescaling"),
        *(["Conv2D", "MaxPooling2D"] * 3),
        *("Flatten", "Dense", "Dense"),
    ]
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert [(c.filters, c.kernel_size, c.activation.__name__) for c in convolutions] == [
        (32, (3, 3), "relu"),
        (64, (3, 3), "relu"),
        (128, (3, 3), "relu"),
    ]
    *_, hidden, output = model.layers
    assert (hidden.units, output.units, output.activation.__name__) == (128, 1, "sigmoid")


@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_copy_in_another_precision_has_the_weights_and_a_float32_output(precision, images):
    model = build_model(TrainConfig())
    copy = with_precision(model, precision)
    for ours, theirs in zip(model.get_weights(), copy.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    dense = copy.layers[-2]
    assert (
        dense.compute_dtype
        == {"float32": "float32", "mixed_bfloat16": "bfloat16", "mixed_float16": "float16"}[precision]
    )
    assert dense.kernel.dtype == "float32"
    assert copy.layers[-1].compute_dtype == "float32"
    difference = np.abs(copy.predict(images, verbose=0) - model.predict(images, verbose=0)).max()
    assert difference < 0.02
    assert (difference == 0) == (precision == "float32")


def _training_model(classifier, teachers=(), **settings):
    return make_training_model(classifier, make_augmentation(TrainConfig(**settings), 64), teachers)


def test_the_training_model_shares_the_weights_and_does_not_augment_when_predicting(images):
    classifier = build_model(TrainConfig())
    model = _training_model(classifier, rotation=20.0, mixup=0.5)
    outputs = model.predict(images, verbose=0)
    assert outputs.shape == (3, len(OUTPUTS))
    np.testing.assert_array_equal(outputs[:, :1], classifier.predict(images, verbose=0))
    np.testing.assert_array_equal(outputs[:, OUTPUTS.index("share")], np.ones(3))
    classifier.set_weights([weight + 0.01 for weight in classifier.get_weights()])
    np.testing.assert_array_equal(model.predict(images, verbose=0)[:, :1], classifier.predict(images, verbose=0))
    augmented = np.asarray(model(images, training=True))
    assert (augmented[:, OUTPUTS.index("share")] < 1).any()


def test_the_age_is_read_from_the_features_and_is_not_in_the_classifier(images):
    classifier = build_model(TrainConfig(model="resnet", width=8))
    before = len(classifier.weights)
    model = _training_model(classifier)
    assert model.predict(images, verbose=0)[:, OUTPUTS.index("age")].std() > 0
    assert len(model.trainable_variables) == len(classifier.trainable_variables) + 2
    assert len(classifier.weights) == before
    assert classifier.output_shape == (None, 1)


def test_teachers_give_their_mean_opinion_and_do_not_learn(images):
    # two of one architecture: their layers have the same names
    teachers = [build_model(TrainConfig(model="resnet", width=8)) for _ in range(2)]
    classifier = build_model(TrainConfig())
    model = _training_model(classifier, teachers)
    opinions = model.predict(images, verbose=0)[:, OUTPUTS.index("teacher")]
    each = [teacher.predict(images, verbose=0)[:, 0] for teacher in teachers]
    np.testing.assert_allclose(opinions, np.mean(each, axis=0), rtol=1e-5)
    assert np.abs(opinions - each[0]).max() > 1e-4
    assert len(model.trainable_variables) == len(classifier.trainable_variables) + 2


def test_the_classifier_and_its_teachers_see_one_picture_each_in_its_size(images):
    mean_of_four = images.reshape(len(images), 32, 2, 32, 2, 3).mean(axis=(2, 4))
    seen = {64: images, 32: mean_of_four}
    for own, others in ((32, 64), (64, 32)):
        teacher, classifier = (build_model(TrainConfig(model="resnet", width=8, image_size=n)) for n in (others, own))
        scores = _training_model(classifier, [teacher]).predict(images, verbose=0)
        for name, model in (("p_female", classifier), ("teacher", teacher)):
            expected = model.predict(seen[model.input_shape[1]], verbose=0)[:, 0]
            np.testing.assert_allclose(scores[:, OUTPUTS.index(name)], expected, rtol=1e-4)
            if model.input_shape[1] == 32:
                corners = model.predict(images[:, ::2, ::2], verbose=0)[:, 0]
                assert np.abs(scores[:, OUTPUTS.index(name)] - corners).max() > 1e-3


def test_a_residual_networks_weights_fit_every_size_and_its_settings_shape_it():
    small, large = (build_model(TrainConfig(model="resnet", image_size=size)) for size in (48, 96))
    large.set_weights(small.get_weights())
    config = TrainConfig(model="resnet", width=24, depth=("1", "3"))
    convolutions = [layer for layer in build_model(config).layers if isinstance(layer, keras.layers.Conv2D)]
    # a stem, two a block, one for each shortcut that changes the shape
    assert [layer.filters for layer in convolutions] == [12, *([24] * 3), *([48] * 7)]
    with pytest.raises(ValueError, match="weight"):
        build_model(config).set_weights(small.get_weights())


@pytest.mark.parametrize(("size", "depth"), [(40, "1,1,1"), (75, "1,1,1"), (100, "1,2,2"), (32, "1,1,1,1,1,1")])
def test_a_residual_network_takes_odd_sides_on_its_way_down_too(size, depth):
    model = build_model(TrainConfig(model="resnet", width=4, depth=tuple(depth.split(",")), image_size=size))
    images = np.random.default_rng(0).integers(0, 256, (2, size, size, 3)).astype(np.float32)
    assert model.predict(images, verbose=0).shape == (2, 1)


def test_the_deeper_cnns_settings_shape_it():
    config = TrainConfig(model="deep_cnn", width=8, depth=("2", "1"), dense_units=20, dense_layers=3, dropout=0.3)
    layers = build_model(config).layers
    assert [layer.filters for layer in layers if isinstance(layer, keras.layers.Conv2D)] == [8, 8, 16]
    assert [layer.units for layer in layers if isinstance(layer, keras.layers.Dense)] == [20, 20, 20, 1]
    assert [layer.rate for layer in layers if isinstance(layer, keras.layers.Dropout)] == [0.3]


def test_a_saved_model_is_taken_at_every_size_that_its_weights_fit(tmp_path):
    for name in ("resnet", "seed_cnn"):
        MODELS[name](TrainConfig(model=name, image_size=48)).save(tmp_path / f"{name}.keras")
    start = TrainConfig(init_from=str(tmp_path / "resnet.keras"), image_size=64)
    started, saved = build_model(start), keras.saving.load_model(start.init_from)
    assert started.input_shape == (None, 64, 64, 3)
    for ours, theirs in zip(started.get_weights(), saved.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    start = dataclasses.replace(start, init_from=str(tmp_path / "seed_cnn.keras"))  # which flattens
    assert build_model(dataclasses.replace(start, image_size=48)).input_shape == (None, 48, 48, 3)
    smaller = dataclasses.replace(start, image_size=48, start_size=32)
    with pytest.raises(UserError, match="takes no pictures of 32 pixels"):
        build_model(smaller.checked(None))
    with pytest.raises(UserError, match=r"takes no pictures of 64 pixels; its own are of --image_size=48"):
        build_model(start)


def test_a_packaged_model_is_begun_from_by_its_name():
    started, packaged = build_model(TrainConfig(init_from="device")), keras.saving.load_model(MODELS_BY_NAME["device"])
    for ours, theirs in zip(started.get_weights(), packaged.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    larger = build_model(TrainConfig(init_from="device", image_size=96))
    assert larger.input_shape == (None, 96, 96, 3)


def _own_model(path, *ends, sequential=False):
    """Saves a model as somebody else would make it; returns its path."""
    keras.utils.set_random_seed(0)
    stack = [keras.Input((32, 32, 3)), keras.layers.Conv2D(4, 3), keras.layers.GlobalAveragePooling2D(), *ends]
    if sequential:
        model = keras.Sequential(stack)
    else:
        pixels, *rest = stack
        model = keras.Model(pixels, functools.reduce(lambda x, layer: layer(x), rest, pixels))
    model.save(path)
    return str(path)


def test_a_sequential_model_is_begun_from_and_teaches_as_any_other(tmp_path, images):
    path = _own_model(tmp_path / "own.keras", keras.layers.Dense(1, activation="sigmoid"), sequential=True)
    saved = keras.saving.load_model(path)
    start = build_model(TrainConfig(init_from=path, image_size=32))
    (teacher,) = load_teachers(TrainConfig(teacher=(path,)))
    np.testing.assert_array_equal(start.predict(images[:, ::2, ::2], verbose=0), saved.predict(images[:, ::2, ::2]))
    larger = with_precision(build_model(TrainConfig(init_from=path)), "mixed_bfloat16")
    outputs = _training_model(larger, [with_precision(teacher, "float32")]).predict(images, verbose=0)
    assert outputs.shape == (3, len(OUTPUTS))
    before = start.layers[-1].get_weights()
    fold_temperature(start, 2.0)
    np.testing.assert_allclose(start.layers[-1].get_weights()[0], before[0] / 2)


def test_a_model_that_ends_otherwise_is_not_begun_from_and_teaches_if_it_gives_a_probability(tmp_path):
    linear, sigmoid = keras.layers.Dense(1), keras.layers.Activation("sigmoid")
    apart = _own_model(tmp_path / "apart.keras", linear, sigmoid)
    turned = _own_model(tmp_path / "turned.keras", keras.layers.Dense(1, activation="sigmoid"), lambda score: 1 - score)
    logits = _own_model(tmp_path / "logits.keras", linear)
    for path, end in ((apart, r"Activation \(sigmoid\)"), (turned, "Subtract"), (logits, r"Dense \(linear\)")):
        with pytest.raises(UserError, match=f"--init_from={path} ends in {end}.*; its last layer must be dense"):
            build_model(TrainConfig(init_from=path, image_size=32))
    assert len(load_teachers(TrainConfig(teacher=(apart, turned)))) == 2
    with pytest.raises(UserError, match=rf"--teacher={logits} ends in Dense \(linear\); its last layer must be dense"):
        load_teachers(TrainConfig(teacher=(apart, logits)))


def test_a_file_that_is_no_classifier_is_refused(tmp_path):
    keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)]).save(tmp_path / "other.keras")
    with pytest.raises(UserError, match=r"input of shape \(None, 4\)"):
        build_model(TrainConfig(init_from=str(tmp_path / "other.keras")))
