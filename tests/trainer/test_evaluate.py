"""Judging: one row a test face, numbers from the table alone, and again on any split."""

import html
import json
import re
from unittest import mock

import numpy as np
import pandas as pd
import pytest
import sklearn.metrics

from gender_tfds import faces, images_cv, reading, run_folder
from gender_tfds.saved_run import load_classifier
from gender_tfds.user_error import UserError
from trainer.evaluate import evaluate_workdir
from trainer.metrics import compute_metrics


@pytest.fixture(scope="module")
def table(trained_run):
    return pd.read_csv(trained_run / run_folder.PREDICTIONS)


def test_every_test_face_has_one_row_with_its_truth(table, data_dir):
    builder = reading.open_built("drawn_faces", str(data_dir))
    truth = {e["filename"].decode(): int(e["label"]) for e in reading.read_encoded(builder, "test").as_numpy_iterator()}
    assert dict(zip(table["path"], table["label"], strict=True)) == truth
    assert set(table["fold"]) <= {0, 1}


def test_a_row_is_what_the_saved_model_says_of_that_picture(table, trained_run, data_dir):
    model = load_classifier(trained_run / run_folder.MODEL)
    builder = reading.open_built("drawn_faces", str(data_dir))
    examples = list(reading.read_encoded(builder, "test").take(5).as_numpy_iterator())
    images = np.stack([images_cv.decode_and_resize(e["image"], 32) for e in examples])
    scores = model.predict(images, verbose=0)[:, 0]
    np.testing.assert_allclose(table["p_female"][:5], scores, atol=1e-4)
    assert not np.allclose(table["p_female"][:5], scores[::-1], atol=1e-4)


def test_numbers_are_those_of_the_table_by_another_computation(table, trained_run):
    numbers = json.loads((trained_run / run_folder.METRICS).read_text())
    predicted = np.where(table["p_female"] > 0.5, "female", "male")
    assert list(predicted) == list(table["gender"])
    assert numbers["n"] == len(table)
    assert numbers["accuracy"] == pytest.approx(np.mean((predicted == "female") == (table["label"] == 1)))
    assert numbers["roc_auc"] == pytest.approx(sklearn.metrics.roc_auc_score(table["label"], table["p_female"]))
    turned = compute_metrics(table.assign(label=1 - table["label"]))
    assert turned["accuracy"] == pytest.approx(1 - numbers["accuracy"])


def test_faces_below_the_confidence_are_undecided_and_counted(own_run, table):
    middle = np.sort(table["confidence"])[len(table) // 3 : -len(table) // 3]
    gap = np.argmax(np.diff(middle))  # where no rounding moves a face over the line
    confident = float(middle[gap : gap + 2].mean())
    numbers, _ = evaluate_workdir(own_run, None, "test", None, confident)
    again = pd.read_csv(own_run / run_folder.PREDICTIONS)
    undecided = table["confidence"] < confident
    assert list(again["gender"] == run_folder.UNDECIDED) == list(undecided)
    right = (table["p_female"] > 0.5) == (table["label"] == 1)
    assert numbers["decided"]["n"] == (~undecided).sum()
    assert numbers["decided"]["accuracy"] == pytest.approx(right[~undecided].mean())
    assert numbers["accuracy"] == pytest.approx(right.mean())
    assert "undecided" not in set(table["gender"])


def test_proposals_are_chosen_on_validation_and_measured_on_test(own_run, table):
    fitted = json.loads((own_run / run_folder.CALIBRATION).read_text())
    numbers = json.loads((own_run / run_folder.METRICS).read_text())
    validation, _ = evaluate_workdir(own_run, None, "validation", None)
    assert fitted["n"] == validation["n"]
    assert fitted["after"]["log_loss"] == pytest.approx(validation["log_loss"], abs=1e-4)
    assert fitted["after"]["log_loss"] <= fitted["before"]["log_loss"]
    for chosen, measured in zip(fitted["proposals"], numbers["proposals"], strict=True):
        assert chosen["min_confidence"] == measured["min_confidence"]
        if chosen["min_confidence"] is not None:
            assert measured["coverage"] == (table["confidence"] >= chosen["min_confidence"]).mean()


def test_a_run_of_an_older_version_without_calibration_is_judged(own_run, table):
    (own_run / run_folder.CALIBRATION).unlink()
    numbers, _ = evaluate_workdir(own_run, None, "test", None)
    assert numbers["proposals"] == []
    assert numbers["accuracy"] == pytest.approx(((table["p_female"] > 0.5) == table["label"]).mean())


def test_another_split_is_judged_beside_the_runs_own(own_run):
    before = (own_run / run_folder.METRICS).read_text()
    numbers, folder = evaluate_workdir(own_run, None, "validation", None)
    assert folder == own_run / run_folder.EVALUATIONS / "drawn_faces-validation"
    assert numbers["split"] == "validation"
    names = {run_folder.METRICS, run_folder.PREDICTIONS, run_folder.SLICES, run_folder.REPORT}
    names |= {run_folder.CONFUSION_MATRIX, run_folder.SAMPLE_PREDICTIONS, run_folder.CLASSIFICATION_REPORT}
    names |= {run_folder.RELIABILITY_PLOT, run_folder.COVERAGE_PLOT, run_folder.SLICES_PLOT}
    names |= {run_folder.CONFIDENT_ERRORS, run_folder.UNCERTAIN_FACES}
    assert {path.name for path in folder.iterdir()} == names
    assert (own_run / run_folder.METRICS).read_text() == before


def test_the_runs_own_judgement_is_made_again_as_it_was(own_run, table):
    numbers = json.loads((own_run / run_folder.METRICS).read_text())
    again, folder = evaluate_workdir(own_run, None, "test", None)
    assert folder == own_run
    assert again == numbers
    pd.testing.assert_frame_equal(pd.read_csv(own_run / run_folder.PREDICTIONS), table)


@pytest.mark.parametrize(("split", "dataset", "named"), [("tset", None, "tset"), ("test", "nothing", "nothing")])
def test_what_is_not_there_is_one_sentence(trained_run, split, dataset, named):
    with pytest.raises(UserError, match=named):
        evaluate_workdir(trained_run, dataset, split, None)


def test_a_folder_that_is_no_run_is_one_sentence(tmp_path):
    with pytest.raises(UserError, match="is not a run folder"):
        evaluate_workdir(tmp_path, None, "test", None)


def test_the_data_of_a_record_without_their_place_are_looked_for_where_tfds_puts_them(
    own_run, data_dir, tmp_path, monkeypatch
):
    monkeypatch.setattr(reading.tfds.core.constants, "DATA_DIR", str(tmp_path))
    record = json.loads((own_run / run_folder.CONFIG).read_text())
    del record["data_dir"]
    (own_run / run_folder.CONFIG).write_text(json.dumps(record))
    with pytest.raises(UserError, match=re.escape(f"no data set 'drawn_faces' in {tmp_path}")):
        evaluate_workdir(own_run, None, "test", None)
    numbers, _ = evaluate_workdir(own_run, None, "test", str(data_dir))
    assert numbers["split"] == "test"


def test_the_data_of_the_run_and_the_data_it_is_judged_on_are_both_told_of(own_run, data_dir):
    builder = reading.open_built("drawn_faces", str(data_dir))
    own, _ = evaluate_workdir(own_run, None, "validation", None)
    assert own["note"].count("drawn_faces are drawn by code") == 1
    with mock.patch.object(reading, "fingerprint", return_value={"metadata": {}, "sha256": "other"}):  # faces of people
        people, folder = evaluate_workdir(own_run, None, "validation", None)
    assert people["note"] == f"{own['note']} {faces.LABEL_NOTE}"
    assert faces.LABEL_NOTE in html.unescape((folder / run_folder.REPORT).read_text())
    assert builder.info.metadata["note"] == own["note"]
