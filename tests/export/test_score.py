"""A folder of pictures becomes a table: a row each, sorted, whatever their names hold and whatever is broken."""

import csv
import dataclasses
import os
import pathlib
import shlex
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from export import commands
from export.listing import Listing, Picture
from export.predictor import decode_all, load_predictor
from export.records import FORMATS, read_table
from export.score import score_listing
from export.score_config import ScoreConfig
from export.scorer import CHUNK, Scorer
from export.writers import TableWriter
from gender_tfds.drawn_faces.picture import encode_face
from gender_tfds.run_folder import MODEL, Prediction
from gender_tfds.threads import in_threads
from gender_tfds.user_error import UserError

NOT_UTF8 = b"\xff\xe9t\xe9.jpg".decode("utf-8", "surrogateescape")
ODD = [
    "-f.jpg",
    "--help.jpg",
    " a b .jpg",
    'comma, "quote".jpg',
    "new\nline.jpg",
    "return\r.jpg",
    "form\x0cfeed.jpg",
    "\u2028.jpg",
    NOT_UTF8,
    "UPPER.JPG",
    "z.JpEg",
    "sub/face.jpg",
    "sub/sub/face.png",
    "sub.a/face.jpg",
    "directory.jpg/face.jpg",
]
NO_PICTURES = ["notes.txt", "sub/table.csv", ".jpg", "jpg", "face.jpg.txt"]
BROKEN = {
    "broken/b_empty.jpg": "the file is empty",
    "broken/d_cut.jpg": "not a picture that OpenCV can decode, or damaged",
    "broken/f_text.jpg": "not a picture that OpenCV can decode, or damaged",
    "broken/h_pipe.jpg": "not a regular file",
    "broken/j_dangling.jpg": "No such file or directory",
    "broken/l_loop.jpg": "Too many levels of symbolic links",
}
SOUND = [f"broken/{letter}.jpg" for letter in "acegikm"]


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> pathlib.Path:
    """A different face under each name, and between some of them files that can't be read."""
    folder = tmp_path_factory.mktemp("tree")
    for index, name in enumerate([*ODD, *SOUND]):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(encode_face(index))
    for name in NO_PICTURES:
        (folder / name).write_bytes(encode_face(0))
    broken = folder / "broken"
    (broken / "b_empty.jpg").touch()
    (broken / "d_cut.jpg").write_bytes(encode_face(0)[:1000])
    (broken / "f_text.jpg").write_text("no picture\n")
    os.mkfifo(broken / "h_pipe.jpg")
    (broken / "j_dangling.jpg").symlink_to("nowhere")
    (broken / "l_loop.jpg").symlink_to("l_loop.jpg")
    (folder / "empty.jpg").mkdir()
    return folder


NAMES = sorted([*ODD, *SOUND, *BROKEN], key=os.fsencode)


def scorer(predictor) -> Scorer:
    return Scorer(lambda: predictor, ScoreConfig())


def score(predictor, folder: pathlib.Path, output: pathlib.Path, *, resume: bool = False, overwrite: bool = False):
    columns = ScoreConfig().table_columns()
    with TableWriter(output, columns, resume=resume, overwrite=overwrite) as writer:
        summary = score_listing(scorer(predictor), Listing([str(folder)]), writer, threads=1)
        writer.finish()
    return {**summary.genders, "errors": sum(summary.errors.values())}


def score_names(predictor, folder: pathlib.Path, names: list[str], threads: int) -> list[dict]:
    pictures = [Picture(name, str(folder / name)) for name in names]
    chunks = in_threads(scorer(predictor).score, pictures, CHUNK, threads)
    return [row for chunk in chunks for rows in chunk for row in rows]


def read(path: pathlib.Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        return list(csv.reader(file))


def alone(predictor, path: pathlib.Path) -> float:
    """Returns a picture's score when there is no other."""
    images, errors = decode_all([path.read_bytes()], predictor.image_size)
    assert errors == [None]
    return float(predictor.predict(images)[0])


def test_each_picture_has_its_own_score_whatever_lies_between(tree, brightness, tmp_path):
    counts = score(brightness, tree, tmp_path / "table.csv")
    header, *rows = read(tmp_path / "table.csv")
    assert header == ["path", "gender", "confidence", "p_female", "error"]
    assert [row[0] for row in rows] == NAMES
    scores = {}
    for name, gender, confidence, p_female, error in rows:
        if name in BROKEN:
            assert [gender, confidence, p_female, error] == ["", "", "", BROKEN[name]]
            continue
        expected = Prediction.from_probability(name, alone(brightness, tree / name))
        assert [gender, confidence, p_female, error] == [
            *(expected.gender, str(expected.confidence), str(expected.p_female), "")
        ]
        scores[name] = p_female
    # the planted failure needs scores that tell pictures apart: a shift by one would show
    assert len(set(scores.values())) == len(ODD) + len(SOUND)
    assert counts["errors"] == len(BROKEN)
    assert counts["male"] + counts["female"] == len(ODD) + len(SOUND)


def test_a_shift_would_be_seen(tree, brightness):
    """The planted failure: scores given to names in order, as if no picture had been unreadable."""
    names = [name for name in NAMES if name.startswith("broken/")]
    scored = [alone(brightness, tree / name) for name in names if name not in BROKEN]
    shifted = dict(zip(names, scored, strict=False))
    right = {row["path"]: row.get("p_female") for row in score_names(brightness, tree, names, 2)}
    wrong = [name for name in SOUND if name in shifted and round(shifted[name], 6) != right[name]]
    assert wrong == [name for name in SOUND if name in shifted and name != "broken/a.jpg"]


def test_a_folder_of_unreadable_pictures_gets_its_rows(tmp_path, brightness):
    for index in range(70):
        (tmp_path / f"{index:02d}.jpg").touch()
    assert score(brightness, tmp_path, tmp_path / "table.csv") == {"errors": 70}
    assert [row[4] for row in read(tmp_path / "table.csv")[1:]] == ["the file is empty"] * 70


@pytest.mark.parametrize("threads", [1, 4])
def test_batches_come_in_order_from_any_number_of_threads(tmp_path, brightness, threads):
    faces = [encode_face(index) for index in range(10)]
    names = [f"{index:03d}.jpg" for index in range(200)]
    for index, name in enumerate(names):
        (tmp_path / name).write_bytes(faces[index * 7 % 10])
    rows = score_names(brightness, tmp_path, names, threads)
    images, _ = decode_all([faces[index * 7 % 10] for index in range(200)], brightness.image_size)
    expected = brightness.predict(images).tolist()
    predictions = [Prediction.from_probability(*pair) for pair in zip(names, expected, strict=True)]
    assert [row | {"error": None} for row in rows] == [dataclasses.asdict(one) for one in predictions]


def test_artefacts_of_every_kind_give_the_same_table(tree, run, artefacts, tmp_path):
    tables = {}
    for name, path in {
        "keras": run / MODEL,
        "saved_model": artefacts / "saved_model",
        "tflite": artefacts / "model_float32.tflite",
    }.items():
        score(load_predictor(path), tree, tmp_path / f"{name}.csv")
        tables[name] = read(tmp_path / f"{name}.csv")
    for name in ("saved_model", "tflite"):
        assert [row[:2] + row[4:] for row in tables[name]] == [row[:2] + row[4:] for row in tables["keras"]]
        pairs = zip(tables[name][1:], tables["keras"][1:], strict=True)
        scores = np.array([(float(row[3]), float(other[3])) for row, other in pairs if row[3]])
        np.testing.assert_allclose(scores[:, 0], scores[:, 1], rtol=0, atol=1e-4)
        assert np.ptp(scores[:, 1]) > 1e-2  # a constant would agree with itself


class Interrupted:
    """A predictor that is interrupted at one of its calls."""

    def __init__(self, predictor, calls: int, error: type[BaseException] = KeyboardInterrupt):
        self.image_size, self.metadata = predictor.image_size, predictor.metadata
        self._predictor, self._calls, self._error = predictor, calls, error

    def predict(self, images):
        if not self._calls:
            raise self._error
        self._calls -= 1
        return self._predictor.predict(images)


@pytest.fixture(scope="module")
def hundred(tmp_path_factory) -> pathlib.Path:
    folder = tmp_path_factory.mktemp("hundred")
    for index in range(100):
        (folder / f"{index:02d},\n.jpg").write_bytes(encode_face(index % 20) if index % 9 else b"broken")
    return folder


@pytest.mark.parametrize("calls", [0, 1, 3])
@pytest.mark.parametrize("suffix", FORMATS)
@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_an_interrupted_run_keeps_its_rows_and_is_resumed_to_the_same_table(
    hundred, brightness, tmp_path, calls, suffix, error
):
    whole, output = tmp_path / f"whole{suffix}", tmp_path / f"table{suffix}"
    counts = score(brightness, hundred, whole)
    with pytest.raises(error):
        score(Interrupted(brightness, calls, error), hundred, output)
    partial = tmp_path / f"table{suffix}.partial"
    assert not output.exists()
    assert partial.exists() == bool(calls)
    if calls:
        lines = partial.read_bytes().count(b"\n")
        with partial.open("ab") as file:
            file.write(b'"torn,')
    again = score(brightness, hundred, output, resume=True)
    columns = ScoreConfig().table_columns()
    rows = list(read_table(output, columns))
    assert rows == list(read_table(whole, columns))
    assert len(rows) == 100
    assert not calls or lines > 1
    assert not partial.exists()
    # the planted failure: were the rows of the first run scored again or lost, the counts would differ
    assert again == counts
    assert again["errors"] == 12  # index 0, 9, ... 99


def test_the_table_of_another_folder_is_not_resumed(hundred, brightness, tmp_path):
    output, partial = tmp_path / "table.csv", tmp_path / "table.csv.partial"
    with pytest.raises(KeyboardInterrupt):
        score(Interrupted(brightness, 1), hundred, output)
    before = partial.read_bytes()
    other = tmp_path / "other"
    shutil.copytree(hundred, other)
    (other / "00 new.jpg").touch()
    with pytest.raises(UserError, match="is of another folder, or its pictures have changed since"):
        score(brightness, other, output, resume=True)
    assert partial.read_bytes() == before
    assert not output.exists()
    (other / "00 new.jpg").rename(other / "zz after all.jpg")
    score(brightness, other, output, resume=True)
    assert len(read(output)) == 102


def test_a_listing_shorter_than_the_table_is_not_resumed(hundred, brightness, tmp_path):
    with pytest.raises(KeyboardInterrupt):
        score(Interrupted(brightness, 2), hundred, tmp_path / "table.csv")
    (tmp_path / "few").mkdir()
    shutil.copy(hundred / "00,\n.jpg", tmp_path / "few")
    with pytest.raises(UserError, match="is of another folder"):
        score(brightness, tmp_path / "few", tmp_path / "table.csv", resume=True)


def test_rows_are_on_disk_after_each_batch(hundred, brightness, tmp_path):
    """What a kill can't take: the file grows while the next batch is scored."""
    partial, sizes = tmp_path / "table.csv.partial", []

    class Watching:
        image_size, metadata = brightness.image_size, brightness.metadata

        def predict(self, images):
            sizes.append(partial.stat().st_size)
            return brightness.predict(images)

    score(Watching(), hundred, tmp_path / "table.csv")
    # a thread is three chunks ahead at most: the fourth is begun when the first one's rows are written
    assert len(sizes) == 4
    assert sizes == sorted(sizes)
    assert sizes[3] > sizes[0]


MANY = 6000
SCORE = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job's children are born deaf to it
from export.commands import score
sys.exit(score())
"""


@pytest.fixture(scope="module")
def many(tmp_path_factory) -> pathlib.Path:
    """So many pictures that there is time to interrupt."""
    folder = tmp_path_factory.mktemp("many")
    for index in range(40):
        (folder / f"{index:05d}.jpg").write_bytes(encode_face(index))
    for index in range(40, MANY):
        os.link(folder / f"{index % 40:05d}.jpg", folder / f"{index:05d}.jpg")
    return folder


@pytest.fixture(scope="module")
def whole(many, artefacts, tmp_path_factory) -> bytes:
    """The table of `many` from a run that nobody interrupted."""
    output = tmp_path_factory.mktemp("whole") / "table.csv"
    score(load_predictor(artefacts / "model_float32.tflite"), many, output)
    return output.read_bytes()


def wait_for_rows(partial: pathlib.Path, process) -> None:
    deadline = time.monotonic() + 60
    while not partial.exists() or partial.stat().st_size < 2000:
        assert process.poll() is None, "the run ended before it could be interrupted"
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_real_signal_ends_a_run_that_is_resumed_to_the_same_table(many, whole, artefacts, tmp_path, number):
    output, partial = tmp_path / "table.csv", tmp_path / "table.csv.partial"
    argv = [f"--model={artefacts / 'model_float32.tflite'}", f"--input={many}", f"--output={output}"]
    process = subprocess.Popen([sys.executable, "-c", SCORE, *argv], stderr=subprocess.PIPE, text=True)
    try:
        wait_for_rows(partial, process)
        process.send_signal(number)
        _, stderr = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 128 + number
    rows = len(partial.read_bytes().splitlines()) - 1
    assert 0 < rows < MANY
    assert not output.exists()
    told = stderr.splitlines()[-1]
    assert told.startswith("gender-score: interrupted; to go on: ")
    program, *again = shlex.split(told.partition("to go on: ")[2])
    assert program == "gender-score"
    assert again == [*argv, "--resume"]
    assert commands.SCORE.run(again) == 0
    assert output.read_bytes() == whole
