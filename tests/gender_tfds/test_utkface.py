"""utkface: names, places and records of the real data set's form, with drawn faces in place of people's."""

import json
import pathlib
import runpy
import shutil
import socket
import sys
from unittest import mock

import hypothesis
import kagglehub
import kagglehub.exceptions
import pytest
import requests
import tensorflow_datasets as tfds
from etils import epath
from hypothesis import strategies

import gender_tfds.utkface
from gender_tfds import faces, features
from gender_tfds.drawn_faces.picture import encode_face
from gender_tfds.face_listing import FileNames
from gender_tfds.user_error import UserError
from gender_tfds.utkface import file_names, source
from gender_tfds.utkface.file_names import BadNameError, Labels
from gender_tfds.utkface.utkface_dataset_builder import Builder
from tests.gender_tfds import builds
from tests.gender_tfds.builds import build, misplaced, read, write_faces
from tests.hostile import property_of

ROOT = pathlib.Path(__file__).parents[2]
FIELD_MISSING = [
    "39_1_20170116174525125.jpg.chip.jpg",
    "61_1_20170109142408075.jpg.chip.jpg",
    "61_1_20170109150557335.jpg.chip.jpg",
]
ODD = {
    "24_0_1_20170116220224657 .jpg.chip.jpg": Labels(24, 0, 1),
    "55_0_0_20170116232725357jpg.chip.jpg": Labels(55, 0, 0),
    "14_0_0_2017011022340900.jpg.chip.jpg": Labels(14, 0, 0),
    "28_1_2_201701161846515488.jpg.chip.jpg": Labels(28, 1, 2),
    "38_0_1_201701162330572788.jpg.chip.jpg": Labels(38, 0, 1),
}
GARBAGE = ["notes.jpg", "25_2_0_20170104021740373.jpg.chip.jpg"]
TOO_OLD = "117_0_0_20170104021740373.jpg.chip.jpg"
PLAIN = 30


def name_of(index):
    """Returns a UTKFace name for drawn face number `index`."""
    return f"{index * 3}_{index % 2}_{index % 5}_2017010402174{index:04d}.jpg.chip.jpg"


PLAIN_FACES = {name_of(index): index for index in range(PLAIN)}
# One picture under many names, which by themselves would be in different splits.
COPIES = {f"{age}_0_3_20170105000000000.jpg.chip.jpg": 1000 for age in range(40, 60)}
GOOD = PLAIN_FACES | {name: 100 + number for number, name in enumerate(ODD)} | COPIES
BAD = {name: 200 + number for number, name in enumerate([*FIELD_MISSING, *GARBAGE, TOO_OLD])}


@property_of
@hypothesis.given(
    strategies.one_of(
        strategies.text(),
        strategies.from_regex(file_names._NAME, fullmatch=True),
        strategies.from_regex(r"\A[0-9٣]{1,4}(_[0-9٣]{0,2}){1,3}_[0-9]{0,18}.{0,5}\.jpg\Z"),
    )
)
def test_any_name_holds_all_labels_or_is_rejected_for_a_known_reason(name):
    try:
        labels = file_names.parse(name)
    except BadNameError as error:
        reason = str(error)
    else:
        reason = None
    if reason:
        assert reason in {file_names.NOT_A_FACE_NAME, file_names.FIELD_MISSING, file_names.AGE_OUT_OF_RANGE}
        return
    assert 0 <= labels.age <= 116
    assert labels.gender in range(len(faces.GENDERS))
    assert labels.ethnicity in range(len(faces.ETHNICITIES))
    # nothing was made up: the fields stand in the name, in this order
    assert [int(field) for field in name.split("_")[:3]] == [labels.age, labels.gender, labels.ethnicity]


@property_of
@hypothesis.given(
    strategies.integers(0, 116), strategies.integers(0, 1), strategies.integers(0, 4), strategies.integers(0, 10**18)
)
def test_labels_are_read_as_they_were_written(age, gender, ethnicity, stamp):
    assert file_names.parse(f"{age}_{gender}_{ethnicity}_{stamp}.jpg.chip.jpg") == Labels(age, gender, ethnicity)


@pytest.fixture(scope="module")
def archive(tmp_path_factory):
    """The unpacked archive as Kaggle gives it: the same faces three times over."""
    root = tmp_path_factory.mktemp("archive")
    write_faces(root / "UTKFace", GOOD | BAD)
    (root / "UTKFace" / "README.txt").write_text("no picture")
    for name in ("crop_part1", "utkface_aligned_cropped/UTKFace", "utkface_aligned_cropped/crop_part1"):
        shutil.copytree(root / "UTKFace", root / name)
    return root


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """A machine without a network and with an empty kagglehub cache."""

    def no_network(*_, **__):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", no_network)
    monkeypatch.setenv("KAGGLEHUB_CACHE", str(tmp_path / "kagglehub"))
    return tmp_path / "kagglehub"


@pytest.fixture(scope="module")
def built(archive, tmp_path_factory):
    return build(Builder, tmp_path_factory.mktemp("data"), archive)


# ---- file names


@pytest.mark.parametrize(
    ("name", "labels"),
    [
        *ODD.items(),
        ("25_0_2_20170104021740373.jpg.chip.jpg", Labels(25, 0, 2)),
        ("25_0_2_20170104021740373.JPG.chip.JPG", Labels(25, 0, 2)),
        ("0_1_4_20170104021740373.jpg.chip.jpg", Labels(0, 1, 4)),
        ("1_1_4_20170104021740373.jpg.chip.jpg", Labels(1, 1, 4)),
        ("116_1_0_20170104021740373.jpg.chip.jpg", Labels(116, 1, 0)),
    ],
)
def test_a_name_with_every_field_is_read(name, labels):
    assert file_names.parse(name) == labels


@pytest.mark.parametrize(
    ("reason", "names"),
    [
        (file_names.FIELD_MISSING, [*FIELD_MISSING, "61_3_20170109150557335.jpg.chip.jpg"]),
        (file_names.AGE_OUT_OF_RANGE, [TOO_OLD, "999_1_0_20170104021740373.jpg.chip.jpg"]),
        (
            file_names.NOT_A_FACE_NAME,
            [
                *GARBAGE,
                "",
                "_0_0_20170104021740373.jpg.chip.jpg",
                "-1_0_0_20170104021740373.jpg.chip.jpg",
                "1000_0_0_20170104021740373.jpg.chip.jpg",
                "25_0_5_20170104021740373.jpg.chip.jpg",
                "25_0_-1_20170104021740373.jpg.chip.jpg",
                "25_00_0_20170104021740373.jpg.chip.jpg",
                "25_0_0_.jpg.chip.jpg",
                "25_0_0_20170104021740373.jpg",  # of the photos in the wild, which are not cropped
                "25_0_0_20170104021740373.png",
                "25_0_0_20170104021740373.jpg.chip.jpg.part",
                "25_0_0_20170104021740373.jpg.chip.jpg\n",
                "x25_0_0_20170104021740373.jpg.chip.jpg",
                "._25_0_0_20170104021740373.jpg.chip.jpg",
                "25_0_0_20170104021740373 (1).jpg.chip.jpg",
                "٢٥_0_0_20170104021740373.jpg.chip.jpg",
            ],
        ),
    ],
)
def test_another_name_is_refused_with_its_reason(reason, names):
    for name in names:
        with pytest.raises(BadNameError) as error:
            file_names.parse(name)
        assert (name, str(error.value)) == (name, reason)


def test_all_names_but_three_of_the_real_data_are_read(utkface_folder):
    refused = []
    names = sorted(path.name for path in (utkface_folder / "UTKFace").iterdir())
    for name in names:
        try:
            file_names.parse(name)
        except BadNameError as reason:
            refused.append((str(reason), name))
    assert len(names) > 10_000
    assert set(refused) <= {(file_names.FIELD_MISSING, name) for name in FIELD_MISSING}


# ---- where the pictures are


def _names(folder):
    return list(source.pictures(epath.Path(folder))[1])


@pytest.mark.parametrize("folder", ["", "UTKFace", "crop_part1", "utkface_aligned_cropped"])
def test_each_face_of_the_archive_is_found_once(archive, folder):
    assert _names(archive / folder) == sorted(GOOD | BAD)
    assert len(list(archive.rglob("*.jpg"))) == 4 * len(GOOD | BAD)  # what a recursive search would count


@pytest.mark.parametrize("inner", ["UTKFace", "utkface_aligned_cropped/UTKFace", "crop_part1", "."])
def test_each_place_does_alone(tmp_path, inner):
    write_faces(tmp_path / inner, {name_of(1): 1})
    (tmp_path / inner / "more.jpeg").write_bytes(b"")
    (tmp_path / inner / "LOUD.JPG").write_bytes(b"")
    assert _names(tmp_path) == sorted([name_of(1), "LOUD.JPG"])


def test_an_empty_folder_of_the_name_is_passed_over(tmp_path):
    (tmp_path / "UTKFace").mkdir()
    write_faces(tmp_path / "crop_part1", {name_of(1): 1})
    assert _names(tmp_path) == [name_of(1)]


def _nothing(folder):
    folder.mkdir()


def _no_jpeg(folder):
    (folder / "UTKFace").mkdir(parents=True)
    (folder / "UTKFace" / "face.png").write_bytes(b"")


def _a_file(folder):
    folder.write_bytes(b"an archive that was not unpacked")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda folder: None, "is not a directory"),
        (_a_file, "is not a directory"),
        (_nothing, "holds no .jpg file"),
        (_no_jpeg, "holds no .jpg file"),
    ],
)
def test_a_wrong_folder_is_told(tmp_path, make, said):
    make(tmp_path / "given")
    with pytest.raises(UserError) as error:
        source.pictures(epath.Path(tmp_path / "given"))
    assert f"--manual_dir={tmp_path / 'given'} {said}" in str(error.value)
    assert "\n" not in str(error.value)


def test_pictures_of_another_kind_are_told(tmp_path):
    write_faces(tmp_path / "holiday", {"IMG_0001.jpg": 1, FIELD_MISSING[0]: 2})
    with pytest.raises(UserError, match=f"none of the 2 files in {tmp_path / 'holiday'} has a UTKFace name"):
        build(Builder, tmp_path / "data", tmp_path / "holiday")
    assert not list((tmp_path / "data").rglob("*.tfrecord*"))


def test_a_damaged_file_is_counted_and_left_out(tmp_path):
    """It would be found by the trainer otherwise, which stops at the first record that it can't decode."""
    folder = write_faces(tmp_path / "faces", PLAIN_FACES)
    whole = encode_face(999)
    tables = whole[:20] + bytes(400) + whole[420:]  # no picture can be decoded without its tables
    damaged = {"empty": b"", "cut": whole[: len(whole) // 2], "a page": b"<html>" * 100, "tables": tables}
    damaged["noise"] = b"\xff\xd8\xff" + bytes(range(256)) * 2 + b"\xff\xd9"
    for number, content in enumerate(damaged.values()):
        (folder / f"{number}_1_0_20170106000000000.jpg.chip.jpg").write_bytes(content)
    (folder / "9_1_0_20170106000000000.jpg.chip.jpg").write_bytes(whole)
    builder, _ = build(Builder, tmp_path / "data", folder)
    assert builder.info.metadata["skipped"] == {"damaged": len(damaged)}
    assert builder.info.metadata["faces"] == PLAIN + 1


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"cluster\tfile\n0\ta.jpg\n", "must have group, filename, each once, separated by tabs"),
        (b"group\tfilename\n0\ta.jpg\n0\tUTKFace/b.jpg\n", "names none of the faces in"),
        (b"group\tfilename\n0\n", "has a row without a group or a filename"),
        (b"group\tfilename\n0\t\xff.jpg\n", "can't be read"),
    ],
)
def test_another_list_of_groups_is_told(tmp_path, content, said):
    folder = write_faces(tmp_path / "faces", PLAIN_FACES)
    (folder / "near_duplicates.tsv").write_bytes(content)
    with pytest.raises(UserError, match=said):
        build(Builder, tmp_path / "data", folder)


# ---- kagglehub


def _fill_cache(cache, archive, complete=True):
    """Lays the archive where kagglehub would, with its marker of a complete download."""
    owner, name, _, version = source.HANDLE.split("/")
    folder = cache / "datasets" / owner / name / "versions" / version
    shutil.copytree(archive, folder)
    if complete:
        (cache / "datasets" / owner / name / f"{version}.complete").touch()
    return folder


def test_without_a_network_it_is_told_what_to_do(offline):
    with pytest.raises(UserError, match=r"without a network; download it from https://www\.kaggle\.com/.*--manual_dir"):
        source.download()


def test_a_download_in_kagglehubs_cache_needs_no_network(offline, archive, tmp_path):
    folder = _fill_cache(offline, archive)
    assert source.download() == epath.Path(folder)
    builder, _ = build(Builder, tmp_path / "data")
    assert set(read(builder)) == set(GOOD)


def test_half_a_download_is_not_taken(offline, archive):
    _fill_cache(offline, archive, complete=False)
    with pytest.raises(UserError, match="without a network"):
        source.download()


def _http_error():
    response = requests.Response()
    response.status_code = 403
    return kagglehub.exceptions.KaggleApiHTTPError(
        "403 Client Error.\n\nYou don't have permission to access resource at URL: https://www.kaggle.com/x.\n"
        "Please make sure you are authenticated.",
        response,
    )


@pytest.mark.parametrize(
    "error",
    [
        _http_error(),
        requests.exceptions.ReadTimeout("timed out"),
        kagglehub.exceptions.UnauthenticatedError(),
        kagglehub.exceptions.DataCorruptionError("The MD5 checksum\ndoes not match."),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_refusal_is_one_sentence(monkeypatch, error):
    monkeypatch.setattr(kagglehub, "dataset_download", mock.Mock(side_effect=error))
    with pytest.raises(UserError) as told:
        source.download()
    sentence = str(told.value)
    assert source.HANDLE in sentence
    assert str(error).split()[0] in sentence
    assert "--manual_dir" in sentence
    assert "\n" not in sentence


def test_a_fault_of_ours_is_no_refusal(monkeypatch):
    monkeypatch.setattr(kagglehub, "dataset_download", mock.Mock(side_effect=TypeError("a fault")))
    with pytest.raises(TypeError, match="a fault"):
        source.download()


@pytest.fixture
def print_folder(monkeypatch):
    """Runs `python -m gender_tfds.utkface.download` in this process and returns its exit status."""
    monkeypatch.setattr(sys, "argv", ["download"])
    monkeypatch.delitem(sys.modules, "gender_tfds.utkface.download", raising=False)

    def run():
        with pytest.raises(SystemExit) as done:
            runpy.run_module("gender_tfds.utkface.download", run_name="__main__")
        return done.value.code

    return run


def test_a_script_gets_the_folder_of_the_faces(offline, archive, print_folder, capsys):
    folder = _fill_cache(offline, archive)
    assert print_folder() == 0
    assert capsys.readouterr().out == f"{folder / 'UTKFace'}\n"


def test_a_script_gets_no_folder_without_a_network(offline, print_folder, capsys):
    assert print_folder() == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert "UTKFace can't be downloaded without a network" in output.err


# ---- the builder


class UtkfaceTest(builds.ManualDir, tfds.testing.DatasetBuilderTestCase):
    """What TFDS asks of every data set, with drawn faces for its dummy data."""

    DATASET_CLASS = Builder
    SPLITS = {  # noqa: RUF012
        split: sum(faces.split_of(name) == split for name in PLAIN_FACES) for split in faces.SPLIT_FOLDS
    }

    @staticmethod
    def write_dummy_data(folder):
        write_faces(folder / "UTKFace", PLAIN_FACES)


def test_the_schema_is_that_of_every_data_set(built):
    builder, _ = built
    assert repr(builder.info.features) == repr(features.face_features())
    assert builder.info.supervised_keys == ("image", "label")
    assert "perceived" in builder.info.description
    assert "Zhang" in builder.info.citation


def test_the_records_hold_the_files_and_what_their_names_say(built, archive):
    examples = read(built[0])
    assert set(examples) == set(GOOD)
    for name, example in examples.items():
        assert example["image"] == (archive / "UTKFace" / name).read_bytes()
        assert Labels(example["age"], example["label"], example["ethnicity"]) == file_names.parse(name)


def test_copies_of_a_picture_are_in_one_split(built, archive, tmp_path):
    builds.check_copies(built[0], COPIES, tmp_path, archive)
    assert all(face["group"].decode() == name for name, face in read(built[0]).items() if name not in COPIES)


@pytest.mark.parametrize("place", ["UTKFace", "."])
def test_a_list_of_near_duplicates_is_honoured(tmp_path, place):
    write_faces(tmp_path / "archive" / "UTKFace", PLAIN_FACES)
    one, other, third, gone = name_of(3), name_of(10), name_of(20), "1_0_0_20170104021740373.jpg.chip.jpg"
    lines = ["group\tfilename", f"0\t{other}", f"0\t{one}", f"7\t{third}", f"7\t{gone}"]
    (tmp_path / "archive" / place / "near_duplicates.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8-sig")
    builder, messages = build(Builder, tmp_path / "data", tmp_path / "archive")
    groups = {name: example["group"].decode() for name, example in read(builder).items()}
    expected = {name: name for name in PLAIN_FACES} | dict.fromkeys((one, other), min(one, other))
    # a group keeps its name, and so its fold, when a member is missing
    assert groups == expected | {third: min(third, gone)}
    assert any("Took 2 near-duplicate groups" in message for message in messages)
    assert misplaced(read(builder)) == []


def test_every_skipped_file_is_counted(built):
    builder, messages = built
    metadata = json.loads((pathlib.Path(builder.data_dir) / "metadata.json").read_text())
    skipped = {"age_out_of_range": 1, "field_missing": len(FIELD_MISSING), "not_a_face_name": len(GARBAGE)}
    female = sum(file_names.parse(name).gender for name in GOOD)
    assert metadata == {
        "faces": len(GOOD),
        "labels": {"female": female, "male": len(GOOD) - female},
        "skipped": skipped,
        "files": len(GOOD | BAD),
        "listing_sha256": FileNames(GOOD | BAD).sha256(),
        "near_duplicate_groups": 1,
    }
    assert metadata["faces"] + sum(skipped.values()) == metadata["files"]
    reasons = ", ".join(f"{number} {reason}" for reason, number in skipped.items())
    assert any(f"Found {len(GOOD)} faces" in message and f"skipped: {reasons}." in message for message in messages)


def _warnings(messages):
    return [message for message in messages if "complete UTKFace" in message]


def test_an_incomplete_set_is_told_with_what_differs(built):
    builder, messages = built
    (warning,) = _warnings(messages)
    labels = builder.info.metadata["labels"]
    assert warning == (
        "WARNING This is not the complete UTKFace:"
        f" {len(GOOD | BAD)} files where the complete UTKFace has 23,708;"
        f" {labels['male']} male where the complete UTKFace has 12,391;"
        f" {labels['female']} female where the complete UTKFace has 11,314."
    )


def test_a_complete_set_is_no_surprise(archive, built, tmp_path):
    counts = {"files": len(GOOD | BAD), **built[0].info.metadata["labels"]}
    with mock.patch.object(Builder, "EXPECTED", counts):
        assert _warnings(build(Builder, tmp_path / "same", archive)[1]) == []
    with mock.patch.object(Builder, "EXPECTED", counts | {"female": 1}):
        (warning,) = _warnings(build(Builder, tmp_path / "other", archive)[1])
        assert "female where" in warning
        assert "files where" not in warning


def test_the_expected_counts_agree_with_each_other():
    expected = Builder.EXPECTED
    assert expected["files"] == expected["male"] + expected["female"] + len(FIELD_MISSING)


def test_the_tools_of_tfds_work_on_it(built):
    import matplotlib as mpl

    mpl.use("Agg")
    builder, _ = built
    assert gender_tfds.utkface.utkface_dataset_builder.Builder is tfds.builder_cls("utkface")
    dataset, info = tfds.load("utkface", data_dir=builder.data_dir_root, split="train", with_info=True)
    assert len(dataset) == info.splits["train"].num_examples > 0
    assert next(iter(dataset))["image"].shape == (128, 128, 3)
    assert len(tfds.show_examples(dataset, info, rows=2, cols=2).axes) == 4
    frame = tfds.as_dataframe(dataset.take(5), info)
    assert len(frame) == 5
    assert "<img" in frame._repr_html_()
    assert tfds.benchmark(dataset.batch(8), batch_size=8).raw_stats is not None
    images, labels = next(iter(tfds.load("utkface", data_dir=builder.data_dir_root, split="test", as_supervised=True)))
    assert (images.dtype, labels.dtype) == ("uint8", "int64")


# ---- the command


FOLDER = ROOT / "gender_tfds" / "utkface"


@pytest.fixture(scope="module")
def commands(archive, tmp_path_factory):
    given = f"--manual_dir={archive}"
    calls = {
        "inside": ([given], FOLDER),
        "path": (["gender_tfds/utkface", given], ROOT),
        "name": (["utkface", "--imports=gender_tfds.utkface", given], None),
        "wrong": (["--manual_dir=/nonesuch/faces"], FOLDER),
    }
    return builds.tfds_build(calls, tmp_path_factory.mktemp("commands"), installed="inside")


@pytest.mark.parametrize("how", ["inside", "path", "name"])
def test_tfds_build_builds(commands, built, how):
    builds.check_built_alike("utkface", commands[how], built[0])


def test_tfds_build_explains_a_wrong_folder_in_one_sentence(commands):
    said = builds.sentence(commands["wrong"])
    assert said.startswith("error: --manual_dir=/nonesuch/faces is not a directory; ")


def test_tfds_build_leaves_nothing_in_the_checkout(commands):
    known = {".py", ".md", ".bib", ".txt"}
    assert [path.name for path in FOLDER.iterdir() if path.is_file() and path.suffix not in known] == []
