"""fairface: csv files and pictures of the real data set's form, with drawn faces in place of people's."""

import collections
import csv
import json
import pathlib
import shutil
import tempfile
from unittest import mock

import pytest
import tensorflow_datasets as tfds

from gender_tfds import face_files, faces, features, reading
from gender_tfds.command_line import UserError
from gender_tfds.drawn_faces.picture import encode_face
from gender_tfds.fairface import labels
from gender_tfds.fairface.fairface_dataset_builder import Builder
from tests.conftest import SHARED_DATA
from tests.gender_tfds import builds
from tests.gender_tfds.builds import build, misplaced, read, write_faces

HEADING = "file,age,gender,race,service_test"
TRAIN, VAL = 30, 10
# One picture under many names, which by themselves would be in different splits.
COPIES = [f"train/{number}.jpg" for number in range(900, 920)]


def row_of(name, index):
    """Returns the row of drawn face number `index`."""
    age, race = list(labels.AGES)[index % len(labels.AGES)], list(labels.RACES)[index % len(labels.RACES)]
    return f"{name},{age},{('Male', 'Female')[index % 2]},{race},{index % 3 == 0}"


def write_part(root, part, count, more=()):
    """Writes a csv file and its pictures, named alike in both parts as in the real data set."""
    indexes = {f"{part}/{number}.jpg": number + (0 if part == "train" else 500) for number in range(1, count + 1)}
    write_faces(root, indexes)
    lines = [HEADING, *(row_of(name, index) for name, index in indexes.items()), *more]
    (root / f"fairface_label_{part}.csv").write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("fairface")
    write_part(root, "train", TRAIN, [row_of(name, 1000) for name in COPIES])
    write_faces(root, dict.fromkeys(COPIES, 1000))
    return write_part(root, "val", VAL)


@pytest.fixture(scope="module")
def built(folder, tmp_path_factory):
    return build(Builder, tmp_path_factory.mktemp("data"), folder)


def test_every_word_has_its_class():
    assert [faces.GENDERS[labels.GENDERS[word]] for word in ("Male", "Female")] == ["male", "female"]
    ethnicities = {word: faces.ETHNICITIES[number] for word, number in labels.RACES.items()}
    assert ethnicities == {
        "White": "white",
        "Black": "black",
        "East Asian": "asian",
        "Southeast Asian": "asian",
        "Indian": "indian",
        "Latino_Hispanic": "others",
        "Middle Eastern": "others",
    }


@pytest.mark.parametrize(("band", "age"), labels.AGES.items())
def test_an_age_is_the_middle_of_its_band(band, age):
    low, dash, high = band.partition("-")
    if dash:
        assert age - int(low) - (int(high) - age) in (0, 1)  # halves are rounded up
    else:
        assert age > 70


def _shared():
    folder = SHARED_DATA / "fairface"
    if not folder.is_dir():
        pytest.skip(f"needs FairFace's pictures in {folder}")
    return folder


def test_every_row_of_the_real_data_is_a_face(tmp_path):
    folder = _shared()
    rows = list(csv.DictReader((folder / "fairface_label_train.csv").open()))
    with mock.patch.object(face_files, "near_duplicate_groups", return_value={}):  # they take most of the time
        builder, messages = build(Builder, tmp_path, folder)
    metadata = builder.info.metadata
    genders = collections.Counter(row["gender"].lower() for row in rows)
    assert (metadata["faces"], metadata["labels"], metadata["skipped"]) == (len(rows), dict(genders), {})
    assert any("This is not the complete FairFace" in message for message in messages)


# ---- the builder


class FairfaceTest(tfds.testing.DatasetBuilderTestCase):
    """What TFDS asks of every data set, with drawn faces for its dummy data."""

    DATASET_CLASS = Builder
    SPLITS = {  # noqa: RUF012
        split: sum(faces.split_of(f"train/{number}.jpg") == split for number in range(1, TRAIN + 1))
        for split in faces.SPLIT_FOLDS
    }

    @classmethod
    def setUpClass(cls):
        cls.EXAMPLE_DIR = tempfile.mkdtemp()
        cls.addClassCleanup(shutil.rmtree, cls.EXAMPLE_DIR)
        write_part(pathlib.Path(cls.EXAMPLE_DIR), "train", TRAIN)
        super().setUpClass()

    def setUp(self):
        super().setUp()
        # the test case mocks TFDS' own manual_dir, which knows no "not given"
        self.enterContext(mock.patch.object(Builder, "manual_dir", self.dummy_data))


def test_the_schema_and_the_card(built):
    builder, _ = built
    assert repr(builder.info.features) == repr(features.face_features())
    for said in ("CC BY 4.0", "annotators perceived", "Middle Eastern → others", "middle of the band"):
        assert said in " ".join(builder.info.description.split())
    assert "Karkkainen" in builder.info.citation


def test_the_records_hold_the_files_and_what_their_rows_say(built, folder):
    examples = read(built[0])
    rows = [row for part in ("train", "val") for row in csv.DictReader((folder / f"fairface_label_{part}.csv").open())]
    assert set(examples) == {row["file"] for row in rows}
    assert {"train/1.jpg", "val/1.jpg"} <= set(examples)
    for row in rows:
        example = examples[row["file"]]
        assert example["image"] == (folder / row["file"]).read_bytes()
        assert faces.GENDERS[example["label"]] == row["gender"].lower()
        assert (example["age"], example["ethnicity"]) == (labels.AGES[row["age"]], labels.RACES[row["race"]])


def test_copies_of_a_picture_are_in_one_split(built, folder, tmp_path):
    examples = read(built[0])
    assert misplaced(examples) == []
    assert {examples[name]["group"].decode() for name in COPIES} == {min(COPIES)}
    # without the groups they are not, and this test sees it
    with mock.patch.object(face_files, "near_duplicate_groups", return_value={}):
        assert misplaced(read(build(Builder, tmp_path, folder)[0])) != []


@pytest.mark.parametrize("part", ["train", "val"])
def test_one_part_does_alone(tmp_path, part):
    write_part(tmp_path / "given", part, 12)
    examples = read(build(Builder, tmp_path / "data", tmp_path / "given")[0])
    assert set(examples) == {f"{part}/{number}.jpg" for number in range(1, 13)}


def test_all_that_is_left_out_is_counted(tmp_path):
    whole = encode_face(5)
    more = {
        "train/cut.jpg": (whole[: len(whole) // 2], "damaged"),
        "train/empty.jpg": (b"", "damaged"),
        "train/gone.jpg": (None, "missing_file"),
        "train/1.jpg": (None, "named_twice"),
    }
    lines = [row_of(name, 1) for name in more]
    lines += [
        "train/old.jpg,150,Male,White,False",
        "train/no.jpg,0-2,male,White,False",
        "train/ra.jpg,0-2,Male,Blue,False",
        "../x.jpg,0-2,Male,White,False",
        "train/short.jpg,0-2",
    ]
    root = write_part(tmp_path / "given", "train", 12, lines)
    for name, (content, _) in more.items():
        if content is not None:
            (root / name).write_bytes(content)
    (root / "train" / "more.jpg").write_bytes(whole)
    (root / "val").mkdir()
    (root / "val" / "1.jpg").write_bytes(whole)
    builder, _ = build(Builder, tmp_path / "data", root)
    metadata = json.loads((pathlib.Path(builder.data_dir) / "metadata.json").read_text())
    assert metadata["skipped"] == {
        "damaged": 2,
        "missing_file": 1,
        "named_twice": 1,
        "not_in_csv": 2,
        "outside_the_folder": 1,
        "unknown_age": 1,
        "unknown_gender": 1,
        "unknown_race": 1,
        "wrong_number_of_values": 1,
    }
    assert (metadata["faces"], metadata["files"]) == (12, 16)


def test_an_incomplete_set_is_told_and_a_complete_one_is_not(folder, built, tmp_path):
    number = built[0].info.metadata["files"]
    (warning,) = [message for message in built[1] if "not the complete" in message]
    assert f"{number} files where the complete FairFace has 97,698" in warning
    with mock.patch.object(Builder, "EXPECTED", {"files": number}):
        assert not [message for message in build(Builder, tmp_path, folder)[1] if "not the complete" in message]


# ---- a user's mistakes


def _wrong_words(root):
    write_part(root, "train", 3)
    path = root / "fairface_label_train.csv"
    path.write_text(path.read_text().replace("Male", "m").replace("Female", "f"))


def _other_columns(root):
    write_part(root, "train", 3)
    path = root / "fairface_label_train.csv"
    path.write_text(path.read_text().replace("gender", "sex"))


def _no_pictures(root):
    write_part(root, "train", 3)
    shutil.rmtree(root / "train")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda root: None, "holds neither fairface_label_train.csv nor fairface_label_val.csv"),
        (_wrong_words, r"none of the 3 rows of fairface_label_train.csv can be used \(3 unknown_gender\); .*gender=f"),
        (_other_columns, "it must have file, age, gender, race"),
        (_no_pictures, r"\(3 missing_file\)"),
    ],
)
def test_a_mistake_is_told_in_one_sentence(tmp_path, make, said):
    root = tmp_path / "given"
    root.mkdir()
    make(root)
    with pytest.raises(UserError, match=said) as error:
        build(Builder, tmp_path / "data", root)
    assert "\n" not in str(error.value)
    assert not list((tmp_path / "data").rglob("*.tfrecord*"))


@pytest.fixture(scope="module")
def commands(folder, tmp_path_factory):
    by_name = ["fairface", "--imports=gender_tfds.fairface"]
    calls = {"good": ([*by_name, f"--manual_dir={folder}"], None), "not given": (by_name, None)}
    return builds.tfds_build(calls, tmp_path_factory.mktemp("commands"))


def test_tfds_build_builds(commands, built):
    assert commands["good"].status == 0, commands["good"].stderr
    builder = reading.open_built("fairface", str(commands["good"].data_dir))
    assert read(builder) == read(built[0])


def test_tfds_build_without_a_folder_says_where_to_get_it(commands):
    said = builds.sentence(commands["not given"])
    assert said.startswith("error: fairface needs --manual_dir: download ")
    for what in ("https://github.com/joojs/fairface", "fairface_label_train.csv", "train/"):
        assert what in said
