"""The gate: an artefact passes if it answers as Keras does, and each way of answering otherwise is refused."""

import dataclasses

import cv2
import numpy as np
import pandas as pd
import pytest

from export import parity
from export.export_model import EMITTERS
from export.parity import Parity, Tolerance, compare, compare_accuracy, reference_probabilities
from export.predictor import load_predictor
from gender_tfds import images_cv, images_tf
from gender_tfds.face_slices import rate_interval

TOLERANCE = EMITTERS["float32"][2]


class Altered:
    """A sound predictor whose pictures or answers are altered."""

    def __init__(self, predictor, *, images=lambda images: images, answers=lambda answers: answers):
        self.image_size = predictor.image_size
        self.sizes = set()
        self._predictor, self._images, self._answers = predictor, images, answers

    def predict(self, images):
        self.sizes.add(len(images))
        return self._answers(self._predictor.predict(self._images(images)))


@pytest.fixture(scope="module")
def sound(artefacts):
    return load_predictor(artefacts / "model_float32.tflite")


def wrong_in_batches(answers):
    return np.full_like(answers, answers[0])  # right for a single picture


def wrong_alone(answers):
    return answers + (len(answers) == 1)


def one_wrong(answers):
    return np.where(np.arange(len(answers)) == 20, 1 - answers, answers)


def test_a_sound_artefact_passes(sound, reference, test_faces):
    predictor = Altered(sound)
    result = compare(predictor, reference, test_faces)
    assert result.failure(TOLERANCE) is None
    assert result.n == len(test_faces)
    assert result.labels_changed == 0
    assert 0 <= result.mean_difference <= result.worst_difference <= TOLERANCE.difference
    assert predictor.sizes == {1, 32, len(test_faces) % 32}


@pytest.mark.parametrize(
    "alteration",
    [
        {"answers": lambda answers: 1 - answers},
        {"answers": lambda answers: answers * np.nan},
        {"answers": lambda answers: np.where(np.arange(len(answers)) == 20, np.nan, answers)},
        {"answers": lambda answers: answers[::-1]},
        {"answers": lambda answers: np.round(answers)},
        {"answers": lambda answers: answers + 2 * TOLERANCE.difference},
        {"answers": wrong_in_batches},
        {"answers": wrong_alone},
        {"answers": one_wrong},
        {"images": lambda images: images[..., ::-1]},
        {"images": lambda images: images[:, :, ::-1]},
        {"images": lambda images: images // 2},
    ],
    ids=[
        *("swapped", "nan", "one_nan", "shuffled", "rounded", "shifted", "wrong_in_batches", "wrong_alone"),
        *("one_wrong", "bgr", "mirrored", "darker"),
    ],
)
def test_another_answer_is_refused(sound, reference, test_faces, alteration):
    failure = compare(Altered(sound, **alteration), reference, test_faces).failure(TOLERANCE)
    assert failure.startswith("p_female differs by ")


@pytest.mark.parametrize("alteration", [wrong_in_batches, wrong_alone], ids=["batches", "alone"])
def test_one_batch_size_would_not_be_enough(sound, reference, test_faces, alteration, monkeypatch):
    """Each planted failure passes at the batch size where it is right, so both sizes are needed."""
    predictor = Altered(sound, answers=alteration)
    passed = []
    for size in parity.BATCH_SIZES:
        monkeypatch.setattr(parity, "BATCH_SIZES", (size,))
        # a multiple of 32, lest the last batch be a single picture
        result = compare(predictor, reference[:32], test_faces[:32])
        passed.append(result.failure(TOLERANCE) is None)
    assert sorted(passed) == [False, True]


def test_another_way_to_resize_is_refused(sound, reference, test_faces, monkeypatch):
    def nearest(encoded: bytes, size: int) -> np.ndarray:
        image = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR_RGB)
        return cv2.resize(image, (size, size), interpolation=cv2.INTER_NEAREST)

    monkeypatch.setattr("export.predictor.decode_and_resize", nearest)
    assert compare(sound, reference, test_faces).failure(TOLERANCE)
    monkeypatch.setattr("export.predictor.decode_and_resize", images_cv.decode_and_resize)
    assert compare(sound, reference, test_faces).failure(TOLERANCE) is None


def test_another_way_to_decode_in_training_is_refused(sound, model, test_faces, monkeypatch):
    """The reference is decoded as training does it: where that changes, the artefacts of a scorer don't pass."""

    def bgr(encoded, size):
        return images_tf.decode_and_resize(encoded, size)[..., ::-1]

    monkeypatch.setattr(parity, "decode_and_resize", bgr)
    reference = reference_probabilities(model, test_faces)
    assert compare(sound, reference, test_faces).failure(TOLERANCE)


def test_a_saved_model_that_is_wrong_on_encoded_files_only_is_refused(artefacts, reference, test_faces, monkeypatch):
    predictor = load_predictor(artefacts / "saved_model")
    result = compare(predictor, reference, test_faces)
    assert result.failure(EMITTERS["saved_model"][2]) is None
    answer = predictor.predict_encoded
    monkeypatch.setattr(predictor, "predict_encoded", lambda encoded: 1 - answer(encoded))
    assert compare(predictor, reference, test_faces).failure(EMITTERS["saved_model"][2])


def test_labels_are_counted_beside_the_differences():
    """Close scores may still give another label; how many may do so depends on the number of pictures."""
    close = Parity(n=1000, mean_difference=1e-5, worst_difference=1e-4, labels_changed=5, latency_ms=1)
    assert close.failure(Tolerance(difference=1e-3, labels_changed=0.005)) is None
    few, near = Tolerance(difference=1e-3, labels_changed=0.004), Tolerance(difference=1e-5, labels_changed=0.005)
    assert close.failure(few) == "5 of 1000 labels changed, more than 0.4%"
    assert close.failure(near) == "p_female differs by 0.0001 from Keras', more than 1e-05"


def test_one_face_of_few_refuses_nothing():
    """One of 59 is more than 1.5 % of the labels and half a point of accuracy, and says nothing about an artefact."""
    int8 = EMITTERS["int8"][2]

    def failure(changed: int, lost: int) -> str | None:
        found = {"artefact": (50 - lost) / 59, "keras": 50 / 59}
        result = Parity(
            n=59, mean_difference=0, worst_difference=0, labels_changed=changed, latency_ms=1, accuracy=found
        )
        return result.failure(int8)

    assert failure(changed=1, lost=1) is None
    assert failure(changed=2, lost=1) == "2 of 59 labels changed, more than 1.5%"
    assert "a drop of more than 0.5%" in failure(changed=1, lost=2)


def test_accuracy_is_compared_over_all_and_by_slice():
    truth = pd.DataFrame({"label": [1] * 80, "age": [20] * 40 + [50] * 40, "ethnicity": [0] * 70 + [1] * 10})
    reference = np.array([0.9] * 76 + [0.1] * 4)
    answers = np.array([0.9] * 30 + [0.1] * 10 + [0.9] * 40)
    found = compare_accuracy(answers, reference, truth)
    assert (found["artefact"], found["keras"]) == (70 / 80, 76 / 80)
    assert found["keras_interval"] == rate_interval(76, 80)
    first, *_, last = found["slices"]
    assert first == {"by": "age", "slice": "18-29", "n": 40, "artefact": 30 / 40, "keras": 1.0}
    assert (last["slice"], last["artefact"]) == ("45-59", 1.0)
    assert {one["slice"] for one in found["slices"]} == {"18-29", "45-59", "white"}  # ten faces are too few
    result = Parity(n=80, mean_difference=0, worst_difference=0, labels_changed=0, latency_ms=1, accuracy=found)
    enough = Tolerance(difference=1, labels_changed=1, accuracy_drop=0.08)
    assert result.failure(enough) is None
    assert "a drop of more than 0.5%" in result.failure(dataclasses.replace(enough, accuracy_drop=0.005))


def test_a_changed_label_counts_once(sound, reference, test_faces):
    near = int(np.argmin(np.abs(reference - 0.5)))
    across = np.where(np.arange(len(reference)) == near, 1 - reference, reference)
    assert compare(sound, across, test_faces).labels_changed == 1
    assert compare(sound, 1 - reference, test_faces).labels_changed == len(reference)


def test_a_picture_that_cannot_be_decoded_is_no_quiet_pass(sound, reference, test_faces):
    with pytest.raises(ValueError, match="can't be decoded: the file is empty"):
        compare(sound, reference, [*test_faces[:-1], b""])


def test_the_reference_is_what_keras_says(model, reference, test_faces):
    images = np.stack([images_cv.decode_and_resize(data, model.input_shape[1]) for data in test_faces])
    np.testing.assert_allclose(model.predict(images, verbose=0)[:, 0], reference, rtol=0, atol=TOLERANCE.difference)
