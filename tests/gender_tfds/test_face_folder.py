"""face_folder: both layouts, every format, and all that can be wrong with a folder of one's own."""

import io
import json
import os
import pathlib
import shutil

import cv2
import numpy as np
import PIL.AvifImagePlugin
import PIL.Image
import pytest
import tensorflow as tf
import tensorflow_datasets as tfds

from gender_tfds import faces, features, images_cv, images_tf
from gender_tfds.drawn_faces.picture import draw_face, encode_face
from gender_tfds.face_folder import pictures
from gender_tfds.face_folder.face_folder_dataset_builder import Builder
from gender_tfds.face_listing import Face
from gender_tfds.faces import RejectedError
from tests.gender_tfds import builds
from tests.gender_tfds.builds import build, read, write_faces

CLASSES = {
    f"{gender}/{number % 3}/a face {number} ü.jpg": number * 2 + label
    for label, gender in enumerate(faces.GENDERS)
    for number in range(30)
}
# One picture under many names, which by themselves would be in different splits.
COPIES = [f"male/copy {number}.jpg" for number in range(20)]


def encode(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def turned(index, orientation, kind="JPEG"):
    """Returns a drawn face whose EXIF orientation is `orientation`."""
    image = PIL.Image.fromarray(draw_face(index)).crop((0, 0, 128, 100))
    exif = image.getexif()
    exif[0x0112] = orientation
    return encode(image, kind, exif=exif, **({"quality": 95} if kind == "JPEG" else {}))


# ---- what goes into a record


def _pictures():
    drawn = PIL.Image.fromarray(draw_face(0))
    alpha = drawn.convert("RGBA")
    alpha.putalpha(90)
    depth = draw_face(0).astype(np.uint16) * 257
    return {
        "PNG": encode(drawn, "PNG"),
        "gray PNG": encode(drawn.convert("L"), "PNG"),
        "PNG with alpha": encode(alpha, "PNG"),
        "PNG with a palette": encode(drawn.quantize(64), "PNG"),
        "PNG of 16 bits": cv2.imencode(".png", depth)[1].tobytes(),
        "WebP": encode(drawn, "WEBP"),
        "WebP with alpha": encode(alpha, "WEBP"),
        "animated WebP": encode(drawn, "WEBP", save_all=True, append_images=[drawn.rotate(90)]),
        "BMP": encode(drawn, "BMP"),
        "GIF": encode(drawn, "GIF"),
        "TIFF": encode(drawn, "TIFF"),
    }


PICTURES = _pictures()


def _in_training(recorded, size=64):
    return images_tf.decode_and_resize(tf.constant(recorded), size).numpy().astype(int)


def _in_scoring(encoded, size=64):
    return images_cv.decode_and_resize(encoded, size).astype(int)


@pytest.mark.parametrize("encoded", PICTURES.values(), ids=PICTURES)
def test_every_format_is_trained_on_as_it_would_be_scored(encoded):
    recorded = pictures.for_record(encoded)
    assert recorded[:4] == b"\x89PNG"
    assert np.abs(_in_training(recorded, 128) - _in_scoring(encoded, 128)).max() == 0


def test_tensorflow_alone_would_not_read_them_all():
    refused = set()
    for name, encoded in PICTURES.items():
        try:
            _in_training(encoded)
        except tf.errors.OpError:
            refused.add(name)
    assert "TIFF" in refused


def test_an_upright_jpeg_stays_as_it_is():
    drawn = PIL.Image.fromarray(draw_face(1))
    for encoded in (encode_face(1), encode(drawn.convert("L"), "JPEG"), turned(1, 1), encode_face(1) + b"trailer"):
        assert pictures.for_record(encoded) is encoded


@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_jpeg_on_its_side_is_turned(orientation):
    encoded = turned(2, orientation)
    recorded = pictures.for_record(encoded)
    assert recorded.startswith(b"\xff\xd8\xff")
    error = np.abs(_in_training(recorded) - _in_scoring(encoded))
    assert error.mean() < 1
    # as it is, training would see it lying
    assert np.abs(_in_training(encoded) - _in_scoring(encoded)).mean() > 10


@pytest.mark.skipif(not PIL.AvifImagePlugin.SUPPORTED, reason="this Pillow has no AVIF")
def test_an_avif_on_its_side_is_turned():
    upright, lying = (pictures.for_record(turned(2, orientation, "AVIF")) for orientation in (1, 6))
    shapes = [PIL.Image.open(io.BytesIO(recorded)).size for recorded in (upright, lying)]
    assert shapes == [(128, 100), (100, 128)]
    np.testing.assert_array_equal(_in_training(lying), _in_scoring(turned(2, 6, "AVIF")))
    np.testing.assert_array_equal(_in_training(lying), np.rot90(_in_training(upright), -1))


def test_a_cmyk_jpeg_is_converted_as_scoring_does_it():
    encoded = encode(PIL.Image.fromarray(draw_face(3)).convert("CMYK"), "JPEG", quality=95)
    recorded = pictures.for_record(encoded)
    assert PIL.Image.open(io.BytesIO(recorded)).mode == "RGB"
    assert np.abs(_in_training(recorded) - _in_scoring(encoded)).mean() < 1


def _huge():
    return encode(PIL.Image.new("1", (pictures.MAX_PIXELS // 1000, 1001)), "PNG")


def _damaged_after_the_header(kind):
    whole = encode(PIL.Image.fromarray(draw_face(0)), kind)
    return whole[: len(whole) // 2]


BAD = {
    "empty": (b"", "empty"),
    "text": (b"<html>" * 100, "not_a_picture"),
    "random": (np.random.default_rng(0).bytes(500), "not_a_picture"),
    "header only": (encode_face(0)[:20], "not_a_picture"),
    "cut JPEG": (encode_face(0)[:2000], "damaged"),
    "cut PNG": (_damaged_after_the_header("PNG"), "damaged"),
    "cut BMP": (_damaged_after_the_header("BMP"), "damaged"),
    "cut WebP": (_damaged_after_the_header("WEBP"), "not_a_picture"),
    "huge": (_huge(), "too_large"),
    "a bomb": (encode(PIL.Image.new("1", (20_000, 20_000)), "PNG"), "too_large"),
}


def _check(path):
    return pictures.check(Face(path.name, str(path.parent), 0, path.name))


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize(("encoded", "reason"), BAD.values(), ids=BAD)
def test_what_cant_be_trained_on_is_rejected_with_its_reason(tmp_path, encoded, reason):
    path = tmp_path / "a.jpg"
    path.write_bytes(encode_face(0))
    assert _check(path).path == path
    path.write_bytes(encoded)
    with pytest.raises(RejectedError) as error:
        _check(path)
    assert str(error.value) == reason


def test_whatever_passes_the_check_can_be_trained_on(tmp_path):
    """Bits of JPEG files are flipped: OpenCV reads some that TensorFlow refuses."""
    rng, passed, only_opencv = np.random.default_rng(0), 0, 0
    for _ in range(300):
        damaged = np.frombuffer(encode_face(int(rng.integers(20))), np.uint8).copy()
        damaged[rng.integers(len(damaged), size=10)] ^= np.uint8(1 << rng.integers(8))
        path = tmp_path / "a.jpg"
        path.write_bytes(damaged.tobytes())
        try:
            face = _check(path)
        except RejectedError:
            only_opencv += cv2.imdecode(damaged, cv2.IMREAD_COLOR) is not None
            continue
        _in_training(pictures.for_record(face.path.read_bytes()))
        passed += 1
    assert passed
    assert only_opencv  # what a check by OpenCV alone would let through


# ---- class folders


@pytest.fixture(scope="module")
def class_folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("class_folders")
    write_faces(root, CLASSES | dict.fromkeys(COPIES, 1000))
    for name, encoded in PICTURES.items():
        (root / "female" / f"{name}.jpg").write_bytes(encoded)  # the content counts, whatever the name says
    (root / "male" / "turned.jpg").write_bytes(turned(7, 6))
    return root


@pytest.fixture(scope="module")
def built(class_folders, tmp_path_factory):
    return build(Builder, tmp_path_factory.mktemp("data"), class_folders)


def _read_labels(folder):
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


class FaceFolderTest(builds.ManualDir, tfds.testing.DatasetBuilderTestCase):
    """What TFDS asks of every data set, with drawn faces for its dummy data."""

    DATASET_CLASS = Builder
    SPLITS = {  # noqa: RUF012
        split: sum(faces.split_of(name) == split for name in CLASSES) for split in faces.SPLIT_FOLDS
    }

    @staticmethod
    def write_dummy_data(folder):
        write_faces(folder, CLASSES)


def test_the_schema_and_the_card(built):
    builder, _ = built
    assert repr(builder.info.features) == repr(features.face_features())
    assert "perceived" in builder.info.description
    assert "Cite the source" in builder.info.citation


def test_a_face_has_the_label_of_its_folder(built, class_folders):
    examples = read(built[0])
    assert set(examples) == _read_labels(class_folders)
    for name, example in examples.items():
        assert faces.GENDERS[example["label"]] == name.split("/")[0]
        assert (example["age"], example["ethnicity"]) == (-1, -1)
        assert example["image"] == pictures.for_record((class_folders / name).read_bytes())
    assert examples["male/turned.jpg"]["image"] != (class_folders / "male" / "turned.jpg").read_bytes()
    assert built[0].info.metadata["skipped"] == {}


def test_the_tools_of_tfds_read_every_record(built):
    builder, _ = built
    for split in builder.info.splits:
        for example in tfds.load("face_folder", data_dir=builder.data_dir_root, split=split):
            assert example["image"].shape[-1] == 3


def test_copies_of_a_picture_are_in_one_split(built, class_folders, tmp_path):
    builds.check_copies(built[0], COPIES, tmp_path, class_folders)


def test_a_link_to_a_class_folder_or_a_picture_is_followed(tmp_path):
    write_faces(tmp_path / "elsewhere", {"m/1.jpg": 1, "f/2.jpg": 2, "3.jpg": 3})
    root = tmp_path / "given"
    (root / "female").mkdir(parents=True)
    (root / "male").symlink_to(tmp_path / "elsewhere" / "m")
    (root / "female" / "3.jpg").symlink_to(tmp_path / "elsewhere" / "3.jpg")
    assert set(read(build(Builder, tmp_path / "data", root)[0])) == {"male/1.jpg", "female/3.jpg"}


def test_all_that_is_left_out_is_counted(tmp_path):
    root = write_faces(tmp_path / "given", CLASSES | {"others/1.jpg": 1, "top.jpg": 1, "male/.thumbnails/1.jpg": 1})
    for name, (encoded, _) in BAD.items():
        if name != "a bomb":
            (root / "male" / name).write_bytes(encoded)
    (root / "male" / ".DS_Store").write_bytes(b"x")
    (root / "female" / "circle").symlink_to(root)
    (root / "female" / "broken.jpg").symlink_to("/nonesuch")
    os.mkfifo(root / "female" / "pipe.jpg")
    shutil.copy(root / "top.jpg", os.fsencode(root / "female") + b"/latin \xfc.jpg")
    builder, messages = build(Builder, tmp_path / "data", root)
    metadata = json.loads((pathlib.Path(builder.data_dir) / "metadata.json").read_text())
    skipped = {
        "damaged": 3,
        "empty": 1,
        "hidden": 2,
        "missing_file": 1,
        "name_not_utf8": 1,
        "not_a_file": 2,
        "not_a_picture": 4,
        "not_in_male_or_female": 2,
        "too_large": 1,
    }
    assert (metadata["faces"], metadata["skipped"]) == (len(CLASSES), skipped)
    assert metadata["faces"] + sum(skipped.values()) == metadata["files"]
    assert any("3 damaged, 1 empty, 2 hidden" in message for message in messages)


# ---- a csv file


def write_table(root, lines, heading="filename,gender,age,ethnicity", name="labels.csv"):
    root.mkdir(parents=True, exist_ok=True)
    (root / name).write_text("\n".join([heading, *lines]) + "\n")
    return root


def test_a_face_has_the_labels_of_its_row(tmp_path):
    rows = {
        "a b.jpg": ("male,33,indian", (0, 33, 3)),
        "deep/ü.png": ("Female, 0 ,White", (1, 0, 0)),
        "1.jpg": ("male,,", (0, -1, -1)),
        "2.jpg": ("FEMALE,-1,-1", (1, -1, -1)),
        "3.jpg": ("male,120,others", (0, 120, 4)),
        "4.jpg": ("female,25.0,black", (1, 25, 1)),
    }
    root = write_table(tmp_path / "given", [f"{name},{row}" for name, (row, _) in rows.items()])
    write_faces(root, {name: index for index, name in enumerate(rows)})
    examples = read(build(Builder, tmp_path / "data", root)[0])
    found = {name: (face["label"], face["age"], face["ethnicity"]) for name, face in examples.items()}
    assert found == {name: expected for name, (_, expected) in rows.items()}


def test_age_and_ethnicity_may_be_left_out_and_other_columns_are_told(tmp_path):
    root = write_table(tmp_path / "given", ["1.jpg,male,x", "2.jpg,female,x"], "filename,gender,etnicity")
    write_faces(root, {"1.jpg": 1, "2.jpg": 2})
    builder, messages = build(Builder, tmp_path / "data", root)
    assert {(face["age"], face["ethnicity"]) for face in read(builder).values()} == {(-1, -1)}
    assert any("not used: etnicity" in message for message in messages)


def test_a_table_wins_over_class_folders(tmp_path):
    root = write_table(tmp_path / "given", ["male/1.jpg,female,1,", "female/1.jpg,male,2,"])
    write_faces(root, {"male/1.jpg": 1, "female/1.jpg": 2, "male/2.jpg": 3})
    builder, _ = build(Builder, tmp_path / "data", root)
    assert {name: face["label"] for name, face in read(builder).items()} == {"male/1.jpg": 1, "female/1.jpg": 0}
    assert builder.info.metadata["skipped"] == {"not_in_csv": 1}


def test_all_rows_that_are_left_out_are_counted(tmp_path):
    lines = [f"{number}.jpg,{faces.GENDERS[number % 2]},," for number in range(6)]
    lines += [
        "0.jpg,male,,",
        "5.jpg,male,,",
        "gone.jpg,male,,",
        "cut.jpg,male,,",
        "/etc/x.jpg,male,,",
        "../x.jpg,male,,",
    ]
    lines += [
        "a.jpg,1,,",
        "b.jpg,,,",
        "c.jpg,male,121,",
        "d.jpg,male,old,",
        "e.jpg,male,,blue",
        "f.jpg,male",
        "g,h,i,j,k",
    ]
    root = write_table(tmp_path / "given", lines)
    write_faces(root, {f"{number}.jpg": number for number in range(6)} | {"unlisted.jpg": 9, "a.jpg": 10})
    (root / "cut.jpg").write_bytes(encode_face(1)[:2000])
    builder, _ = build(Builder, tmp_path / "data", root)
    skipped = {
        "damaged": 1,
        "missing_file": 1,
        "named_twice": 1,
        "not_in_csv": 1,
        "outside_the_folder": 2,
        "rows_contradict": 2,
        "unknown_age": 2,
        "unknown_ethnicity": 1,
        "unknown_gender": 2,
        "wrong_number_of_values": 2,
    }
    assert builder.info.metadata["skipped"] == skipped
    assert builder.info.metadata["faces"] + sum(skipped.values()) == len(lines) + skipped["not_in_csv"]


# ---- a user's mistakes

MISTAKES = {
    "nothing": (lambda root: root.mkdir(), "holds no csv file and no male/ and no female/; give a folder that"),
    "one class folder": (lambda root: write_faces(root, {"male/1.jpg": 1}), "holds no csv file and no female/;"),
    "no picture": (
        lambda root: [(root / gender).mkdir(parents=True) for gender in faces.GENDERS],
        r"no file in .* can be used \(\);",
    ),
    "one gender": (
        lambda root: (write_faces(root, {"male/1.jpg": 1}), (root / "female").mkdir()),
        "all 1 faces in .* are male; a data set needs both genders",
    ),
    "two tables": (
        lambda root: [write_table(root, ["1.jpg,male,,"], name=name) for name in ("a.csv", "B.CSV")],
        r"holds 2 csv files \(B\.CSV, a\.csv\); leave one",
    ),
    "numbers": (
        lambda root: write_faces(write_table(root, ["1.jpg,1,,", "2.jpg,0,,"]), {"1.jpg": 1, "2.jpg": 2}),
        r"none of the 2 rows of labels\.csv can be used \(2 unknown_gender\); the first row says filename=1\.jpg, "
        r"gender=1, .*gender \(male or female\)",
    ),
    "scores": (
        lambda root: write_table(root, ["1.jpg,male,0.9"], "path,gender,confidence", "predictions.csv"),
        r"predictions\.csv has the columns path, gender, confidence; it must have filename, gender",
    ),
}


@pytest.mark.parametrize(("make", "said"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_told_in_one_sentence(tmp_path, make, said):
    make(tmp_path / "given")
    builds.check_mistake(Builder, tmp_path / "data", tmp_path / "given", said)


@pytest.fixture(scope="module")
def commands(class_folders, tmp_path_factory):
    return builds.tfds_build_by_name("face_folder", class_folders, tmp_path_factory.mktemp("commands"))


def test_tfds_build_builds(commands, built):
    builds.check_built_alike("face_folder", commands["given"], built[0])


def test_tfds_build_without_a_folder_says_what_to_give(commands):
    said = builds.sentence(commands["not given"])
    assert said.startswith("error: face_folder needs --manual_dir: give a folder that holds pictures in male/")
