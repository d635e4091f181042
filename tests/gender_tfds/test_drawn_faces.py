"""drawn_faces: the same pictures every time, labels as the rules say and nothing else tied to them, a TFDS data set."""

import logging
import pathlib
from unittest import mock

import numpy as np
import pytest
import tensorflow_datasets as tfds

import gender_tfds.drawn_faces
from gender_tfds import faces, images_cv
from gender_tfds.drawn_faces import draw, drawn_faces_dataset_builder, picture, traits
from gender_tfds.drawn_faces.drawn_faces_dataset_builder import Builder
from gender_tfds.face_listing import Face, FaceListing

FEW = 60
SPLITS = {
    split: sum(faces.split_of(traits.file_name(index)) == split for index in range(FEW)) for split in faces.SPLIT_FOLDS
}


@pytest.fixture(autouse=True, scope="module")
def _few_faces():
    with mock.patch.object(Builder, "NUM_FACES", FEW):
        yield


class DrawnFacesTest(tfds.testing.DatasetBuilderTestCase):
    """What TFDS asks of every data set; the folder of examples stays unread."""

    DATASET_CLASS = Builder
    EXAMPLE_DIR = pathlib.Path(__file__).parent
    SPLITS = SPLITS


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    builder = tfds.builder("drawn_faces", data_dir=tmp_path_factory.mktemp("data"))
    messages = []
    handler = logging.Handler()
    handler.emit = lambda record: messages.append(record.getMessage())
    logging.getLogger("absl").addHandler(handler)
    level = logging.getLogger("absl").level
    logging.getLogger("absl").setLevel(logging.INFO)
    try:
        builder.download_and_prepare()
    finally:
        logging.getLogger("absl").removeHandler(handler)
        logging.getLogger("absl").setLevel(level)
    return builder, messages


def test_pictures_are_the_same_every_time_and_differ_from_each_other():
    backwards = [picture.encode_face(index) for index in reversed(range(10))][::-1]
    assert backwards == [picture.encode_face(index) for index in range(10)]
    assert len(set(backwards)) == 10
    assert picture.encode_face(0, seed=1) != picture.encode_face(0)


def test_a_picture_is_a_jpeg_of_the_stated_size():
    decoded = images_cv.decode_and_resize(picture.encode_face(5), picture.SIDE)
    drawn = picture.draw_face(5)
    assert drawn.shape == decoded.shape == (128, 128, 3)
    # RGB in, RGB out: the JPEG is nearer to the drawing than to the drawing with red and blue exchanged
    difference = lambda other: np.abs(decoded.astype(int) - other).mean()  # noqa: E731
    assert difference(drawn) < difference(drawn[..., ::-1])


def _noise_is_as_stated(stated):
    labels = np.array([traits.sample_label(index) for index in range(10_000)])
    rate = (labels[:, 0] != labels[:, 1]).mean()
    return abs(rate - stated) < 4 * np.sqrt(stated * (1 - stated) / len(labels))


def test_the_measured_label_noise_is_the_stated_one():
    assert _noise_is_as_stated(traits.LABEL_NOISE)
    with mock.patch.object(traits, "LABEL_NOISE", traits.LABEL_NOISE + 0.02):
        assert not _noise_is_as_stated(0.04)


def _t(values, gender):
    """Returns Welch's t of the difference between the genders."""
    male, female = values[gender == 0], values[gender == 1]
    return (male.mean() - female.mean()) / np.sqrt(male.var() / len(male) + female.var() / len(female))


@pytest.fixture(scope="module")
def people():
    found = [traits.sample_person(index) for index in range(2000)]
    return found, np.array([traits.sample_label(index).gender for index in range(2000)])


def test_skin_hair_colour_and_background_do_not_depend_on_the_gender(people):
    found, gender = people
    for name in ("skin", "hair", "clothes", "background", "light"):
        values = np.array([getattr(person.scene, name).mean() for person in found])
        assert abs(_t(values, gender)) < 4, name
    # the same measure sees a dependence where there is one
    assert abs(_t(np.array([person.traits["lip_redness"] for person in found]), gender)) > 10


def _with_gender(index, gender):
    with mock.patch.object(traits, "sample_label", return_value=traits.Label(gender, gender)):
        return traits.sample_person(index)


def test_a_face_drawn_as_the_other_gender_keeps_its_scene_and_changes_its_traits():
    male, female = _with_gender(3, 0), _with_gender(3, 1)
    assert repr(male.scene) == repr(female.scene)
    assert repr(male.scene) != repr(_with_gender(4, 0).scene)
    assert male.traits != female.traits


def test_the_genders_look_different():
    def drawn(index, gender, grain):
        with mock.patch.object(traits, "sample_label", return_value=traits.Label(gender, gender)):
            return picture.draw_face(index).astype(int) + np.random.default_rng(grain).integers(-7, 8, (128, 128, 3))

    for index in range(20):
        between = np.abs(drawn(index, 0, 1) - drawn(index, 1, 2)).mean()
        within = np.abs(drawn(index, 0, 1) - drawn(index, 0, 2)).mean()
        assert between > within


def _best_accuracy(values, gender):
    """Returns the share of faces that the best threshold on one number tells."""
    female = gender[np.argsort(values)] == 1
    right = (np.cumsum(~female) + female.sum() - np.cumsum(female)) / len(gender)
    return max(right.max(), 1 - right.min())


def test_no_trait_alone_gives_the_gender_away_but_all_together_do(people):
    found, gender = people
    alone, together = {}, np.zeros(len(found))
    for name, (male, female, deviation, *_) in traits.GENDERED.items():
        values = np.array([person.traits[name] for person in found])
        alone[name] = _best_accuracy(values, gender)
        together += (values - (male + female) / 2) * (female - male) / deviation**2
    assert max(alone.values()) < 0.91, alone  # measured: 0.73 to 0.88
    assert _best_accuracy(together, gender) > 0.98  # measured: 1.00


def test_the_built_set_holds_the_faces_of_the_rules(built):
    builder, _ = built
    assert {name: info.num_examples for name, info in builder.info.splits.items()} == SPLITS
    skip = {"image": tfds.decode.SkipDecoding()}
    for split in SPLITS:
        for example in tfds.as_numpy(builder.as_dataset(split=split, decoders=skip)):
            index = traits.index_of(example["filename"].decode())
            assert example["image"] == picture.encode_face(index)
            assert example["label"] == traits.sample_label(index).label
            assert (example["age"], example["ethnicity"]) == (faces.UNKNOWN, faces.UNKNOWN)
            assert example["group"] == example["filename"]
            assert example["fold"] in faces.SPLIT_FOLDS[split]


def test_the_build_says_once_that_this_is_not_about_people(built):
    builder, messages = built
    assert messages.count(traits.NOTE) == 1
    assert builder.info.metadata["note"] == traits.NOTE
    assert builder.info.metadata["faces"] == FEW
    assert "say nothing about people" in builder.info.description.replace("\n", " ")


def test_faces_are_drawn_one_at_a_time(tmp_path):
    drawn = mock.Mock(side_effect=picture.encode_face)
    with mock.patch.object(drawn_faces_dataset_builder, "encode_face", drawn):
        found = FaceListing(Face(traits.file_name(index), b"", 0, "group") for index in range(5))
        examples = Builder(data_dir=tmp_path)._generate_examples(faces.split_of("group"), found)
        assert drawn.call_count == 0
        next(iter(examples))
        assert drawn.call_count == 1


def test_the_tools_of_tfds_work_on_it(built):
    builder, _ = built
    dataset = builder.as_dataset(split="train")
    figure = tfds.show_examples(dataset, builder.info, rows=2, cols=2)
    assert len(figure.axes) == 4
    frame = tfds.as_dataframe(dataset.take(5), builder.info)
    assert len(frame) == 5
    assert set(frame["label"]) <= {0, 1}
    assert "<img" in frame._repr_html_()
    assert tfds.benchmark(dataset.batch(8), batch_size=8).raw_stats is not None


def _draw(folder, *flags):
    return draw.COMMAND.run([f"--output_dir={folder}", *flags])


def test_the_folder_holds_pictures_that_the_data_set_does_not(tmp_path, capsys):
    assert _draw(tmp_path / "new" / "folder", "--count=4") == 0
    paths = sorted((tmp_path / "new" / "folder").glob("[!.]*"))
    indices = [traits.index_of(path.name) for path in paths]
    assert indices == list(range(draw.FIRST_UNSEEN, draw.FIRST_UNSEEN + 4))
    assert min(indices) > 4000
    assert [path.read_bytes() for path in paths] == [picture.encode_face(index) for index in indices]
    output = capsys.readouterr().out
    assert "4 new, 0 replaced, 0 kept" in output
    assert traits.NOTE in output


def test_drawing_again_changes_nothing_but_what_was_damaged(tmp_path, capsys):
    _draw(tmp_path, "--count=3")
    mine = tmp_path / "mine.txt"
    mine.write_text("not a face")
    (tmp_path / ".partial-killed").mkdir()  # as a killed command leaves it
    first, second, _ = sorted(tmp_path.glob("*.jpg"))
    first.write_bytes(b"damaged")
    times = second.stat().st_mtime_ns
    assert _draw(tmp_path, "--count=3") == 0
    assert "0 new, 1 replaced, 2 kept" in capsys.readouterr().out
    assert first.read_bytes() == picture.encode_face(draw.FIRST_UNSEEN)
    assert second.stat().st_mtime_ns == times
    assert mine.read_text() == "not a face"
    assert {path.name for path in tmp_path.glob(".*")} == {".lock"}
    assert len(list(tmp_path.glob("[!.]*"))) == 4


@pytest.mark.parametrize(("flags", "said"), [(["--count=0"], "count"), (["--cuont=3"], "cuont"), ([], "is a file")])
def test_a_mistake_is_one_sentence_and_status_2(tmp_path, capsys, flags, said):
    (tmp_path / "file").write_text("in the way")
    assert _draw(tmp_path / "file", *flags) == 2
    error = capsys.readouterr().err.strip()
    assert said in error
    assert "\n" not in error
    assert (tmp_path / "file").read_text() == "in the way"


def test_importing_the_package_registers_it():
    assert gender_tfds.drawn_faces.drawn_faces_dataset_builder is drawn_faces_dataset_builder
    assert "drawn_faces" in tfds.list_builders()
