"""Predictions of several parts in one table, and numbers over the parts."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from gender_tfds import reading, run_folder
from gender_tfds.user_error import UserError
from trainer.config import TrainConfig
from trainer.evaluations import evaluation_folder
from trainer.out_of_fold import count_folds, gather_predictions, over_parts, part_folder, summarize

CONFIG = TrainConfig(dataset="one,two")
PARTS = [dataclasses.replace(CONFIG, test_folds=(fold,), validation_folds=("9",)) for fold in ("0", "1")]
COUNTS = {"one": np.array([[1, 1], [0, 1]] + [[2, 3]] * 8), "two": np.array([[0, 0], [0, 1]] + [[2, 3]] * 8)}
HEADER = "path,gender,confidence,p_female,error,label,age,ethnicity,group,fold\n"


@pytest.fixture
def workdir(tmp_path):
    """Two parts with predictions on two data sets; fold 0 has no face of the second."""
    rows = {("one", 0): ["NA", "007"], ("one", 1): ["c"], ("two", 0): [], ("two", 1): ["c"]}
    for (name, part), paths in rows.items():
        run = part_folder(tmp_path, part)
        folder = evaluation_folder(run, "one", name, "test")
        folder.mkdir(parents=True, exist_ok=True)
        lines = [f"{path},female,0.9,0.9,,1,5,-1,g{path},{part}\n" for path in paths]
        (folder / run_folder.PREDICTIONS).write_text(HEADER + "".join(lines))
    return tmp_path


def test_each_face_is_there_once_with_its_part_data_set_and_name_as_it_is(workdir):
    table = gather_predictions(workdir, PARTS, COUNTS)
    assert [tuple(row) for row in table[["path", "part", "dataset", "group"]].to_numpy()] == [
        ("NA", "0", "one", "gNA"),
        ("007", "0", "one", "g007"),
        ("c", "1", "one", "gc"),
        ("c", "1", "two", "gc"),
    ]


@pytest.mark.parametrize(
    ("content", "named"),
    [
        (HEADER + "a,female,0.9,0.9,,1,5,-1,a,0\n", "holds {'0': 1} faces by fold where the data have {'0': 2}"),
        (HEADER + "a,female,0.9,0.9,,1,5,-1,a,7\n" * 2, "holds {'7': 2}"),
        ("path,gender\na,male\n", "is damaged"),
        ("", "is damaged"),
    ],
)
def test_predictions_of_other_faces_are_one_sentence(workdir, content, named):
    (workdir / "fold_0" / run_folder.PREDICTIONS).write_text(content)
    with pytest.raises(UserError, match="fold_0") as raised:
        gather_predictions(workdir, PARTS, COUNTS)
    assert named in str(raised.value)


def test_the_folds_of_a_data_set_are_counted(data_dir):
    counts = count_folds(reading.open_built("drawn_faces", str(data_dir)))
    assert counts.shape == (10, 2)
    assert counts.sum() == 300
    assert counts.sum(axis=1).min() > 0
    builder = reading.open_built("drawn_faces", str(data_dir))
    labels = [example["label"] for example in reading.read_folds(builder, [3]).as_numpy_iterator()]
    assert list(counts[3]) == list(np.bincount(labels))


def test_a_mean_its_deviation_and_interval():
    found = over_parts([0.7, 0.8, 0.9, 0.8])
    assert found["mean"] == pytest.approx(0.8)
    assert found["standard_deviation"] == pytest.approx(0.0816497)
    # Student's quantile for three degrees of freedom is 3.182446
    assert found["interval"] == pytest.approx([0.8 - 3.182446 * 0.0408248, 0.8 + 3.182446 * 0.0408248], abs=1e-6)
    assert over_parts([0.5, 0.5])["interval"] == [0.5, 0.5]


def test_a_number_that_a_part_lacks_is_left_out():
    rows = {"label": [0, 1, 1, 1], "p_female": [0.1, 0.9, 0.8, 0.3], "age": -1, "gender": "male", "part": [0, 0, 1, 1]}
    found = summarize(pd.DataFrame(rows))
    assert found["metrics"]["accuracy"]["values"] == [1, 0.5]
    assert "roc_auc" not in found["metrics"]  # the second part's faces are all of one class
    assert "roc_auc" in found["pooled"]
    assert "accuracy_over_3_years" not in found["metrics"]
