"""A built data set, shown: every face counted once, duplicates that disagree found, pictures drawn."""

import contextlib
from unittest import mock

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from gender_tfds import reading
from tests.trainer.pictures import read_picture
from trainer import data_overview as overview
from trainer.judging_commands import DATA

FACES = pd.DataFrame(
    {
        "path": list("abcdef"),
        "label": [0, 1, 1, 0, 1, 1],
        "age": [5, 5, 30, -1, 31, 30],
        "ethnicity": [0, 0, 4, -1, 1, 1],
        "group": ["g", "g", "h", "i", "h", "j"],
        "fold": 3,
        "split": ["train"] * 4 + ["test"] * 2,
    }
)


def test_every_face_is_counted_once_by_each_division():
    counts = overview.count_faces(FACES)
    for _, rows in counts.groupby("by"):
        assert (rows["male"].sum(), rows["female"].sum()) == (2, 4)
    found = counts.set_index(["by", "group"])
    assert list(found.loc["age", "4-9"]) == [1, 1]
    assert list(found.loc["age", "unknown"]) == [1, 0]
    assert list(found.loc["ethnicity", "black"]) == [0, 2]
    assert list(found.loc["split", "test"]) == [0, 2]


def test_duplicates_that_disagree_in_gender_are_listed_and_those_in_age_counted():
    assert list(overview.disagreeing_duplicates(FACES)["path"]) == ["a", "b"]
    assert overview.describe(FACES).endswith(
        "2 groups of near duplicates; in 1 the labels of gender differ, in 1 those of age."
    )


@pytest.fixture(scope="module")
def builder(data_dir):
    return reading.open_built("drawn_faces", str(data_dir))


def test_all_faces_are_read(builder):
    faces = overview.read_faces(builder)
    assert len(faces) == sum(split.num_examples for split in builder.info.splits.values())
    assert faces["path"].is_unique
    assert dict(faces["split"].value_counts()) == {name: one.num_examples for name, one in builder.info.splits.items()}


def test_only_what_there_is_has_a_bar(monkeypatch, tmp_path):
    drawn = []

    @contextlib.contextmanager
    def kept(path, **options):
        figure = Figure(**options)
        yield figure
        drawn.append(figure)

    monkeypatch.setattr(overview, "saved_figure", kept)
    known = FACES[FACES["ethnicity"] >= 0]
    for faces in (FACES, known):
        overview._plot_counts(faces, tmp_path / "counts.png", "a title")
    shown = [[text.get_text() for text in figure.axes[2].get_xticklabels()] for figure in drawn]
    assert shown == [["white", "black", "others", "unknown"], ["white", "black", "others"]]
    unknown = FACES.assign(age=-1)
    overview._plot_counts(unknown, tmp_path / "counts.png", "a title")
    assert [[text.get_text() for text in figure.axes[1].texts] for figure in drawn] == [[], [], ["no age is known"]]
    heights = [bar.get_height() for bar in drawn[1].axes[2].patches]
    assert heights == [1, 0, 0, 1, 2, 1]  # male, then female


@pytest.mark.usefixtures("drawn")
def test_tables_and_pictures_are_written(builder, tmp_path):
    faces = overview.read_faces(builder)
    # three pairs of duplicates, labelled either way
    faces.loc[:5, "group"] = np.repeat(["x", "y", "z"], 2)
    faces.loc[:5, "label"] = [0, 1] * 3
    errors = faces.head(30).assign(p_female=0.4, quality=0.1)
    overview.write_overview(builder, faces, errors, tmp_path)
    for name in (overview.COUNTS_PLOT, overview.EXAMPLES, overview.DISAGREEING_PICTURE):
        read_picture(tmp_path / name)
    for sheet in (1, 2):
        read_picture(tmp_path / overview.LABEL_ERRORS_PICTURE.format(sheet))
    assert len(pd.read_csv(tmp_path / overview.DISAGREEING)) == 6
    assert len(pd.read_csv(tmp_path / overview.LABEL_ERRORS)) == 30
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / overview.COUNTS), overview.count_faces(faces))
    # what a later overview has nothing for is not left to be taken for its own
    (tmp_path / "notes.txt").write_text("the user's own")
    overview.write_overview(builder, overview.read_faces(builder), None, tmp_path)
    names = {overview.COUNTS, overview.COUNTS_PLOT, overview.EXAMPLES, overview.DISAGREEING, "notes.txt"}
    assert {path.name for path in tmp_path.iterdir()} == names


def test_the_command_prints_counts_and_finds_turned_labels(builder, data_dir, tmp_path, capsys):
    faces = overview.read_faces(builder)
    rng = np.random.default_rng(0)
    believed = faces["label"].to_numpy().copy()
    believed[:6] = 1 - believed[:6]
    score = np.clip(believed * 0.8 + 0.1 + rng.normal(0, 0.02, len(faces)), 0, 1)
    faces.assign(p_female=score, part=0).to_csv(tmp_path / "predictions.csv", index=False)
    command = ["--dataset=drawn_faces", f"--data_dir={data_dir}", f"--output_dir={tmp_path / 'out'}"]
    assert DATA.run([*command, f"--predictions={tmp_path / 'predictions.csv'}"]) == 0
    printed = capsys.readouterr().out
    assert printed.splitlines()[1].split() == ["all", "all", *map(str, np.bincount(faces["label"]))]
    found = pd.read_csv(tmp_path / "out" / overview.LABEL_ERRORS)
    assert set(found["path"]) <= set(faces["path"][:6])  # confident learning leaves out those it is less sure of
    assert len(found) >= 3
    assert f"{len(found)} labels (" in printed
    assert DATA.run([*command, "--predictions=nothing.csv"]) == 2
    assert "--predictions=nothing.csv is not a file" in capsys.readouterr().err


def test_a_wrong_file_for_predictions_is_one_sentence_before_the_faces_are_read(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(reading, "open_built", mock.Mock(side_effect=AssertionError("not yet")))
    (tmp_path / "numbers.json").write_text('{\n  "accuracy": 0.9,\n  "intervals": [0.1, 0.2, 0.3]\n}\n')
    path = tmp_path / "numbers.json"
    assert DATA.run(["--dataset=drawn_faces", f"--output_dir={tmp_path / 'out'}", f"--predictions={path}"]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert f"{path} is damaged, or no table of predictions" in line
    assert line.endswith("give a table of gender-cross-validate")
