"""A folder of pictures becomes a table: a row each, sorted, whatever their names hold and whatever is broken."""

import csv
import logging
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
from export.predictor import decode_all, load_predictor
from export.score import list_pictures, score_batches, score_folder
from export.writers import CsvWriter
from gender_tfds.command_line import UserError
from gender_tfds.drawn_faces.picture import encode_face
from gender_tfds.run_folder import MODEL, Prediction

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


def score(predictor, folder: pathlib.Path, output: pathlib.Path, *, resume: bool = False, overwrite: bool = False):
    with CsvWriter(output, resume=resume, overwrite=overwrite) as writer:
        counts = score_folder(predictor, folder, writer)
        writer.finish()
    return counts


def read(path: pathlib.Path) -> list[list[str]]:
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        return list(csv.reader(file))


def alone(predictor, path: pathlib.Path) -> float:
    """Returns a picture's score when there is no other."""
    images, errors = decode_all([path.read_bytes()], predictor.image_size)
    assert errors == [None]
    return float(predictor.predict(images)[0])


def test_the_listing_is_sorted_by_bytes_and_holds_all_pictures(tree):
    assert list_pictures(tree) == NAMES
    assert list_pictures(tree)[0] == " a b .jpg"
    assert list_pictures(tree)[-1] == NOT_UTF8


def test_what_is_no_picture_by_its_suffix_is_counted(tree, caplog, monkeypatch):
    monkeypatch.setattr(logging.getLogger("export"), "propagate", True)  # a command run before may have stopped it
    with caplog.at_level("INFO", logger="export"):
        list_pictures(tree)
    assert f"Files that are no pictures by their suffix, and get no row: {len(NO_PICTURES)}." in caplog.messages


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
    right = {row.path: row.p_female for batch in score_batches(brightness, tree, names, 2) for row in batch}
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
    rows = [row for batch in score_batches(brightness, tmp_path, names, threads) for row in batch]
    images, _ = decode_all([faces[index * 7 % 10] for index in range(200)], brightness.image_size)
    expected = brightness.predict(images).tolist()
    assert rows == [Prediction.from_probability(*pair) for pair in zip(names, expected, strict=True)]


def test_links_to_pictures_are_followed_and_links_to_folders_are_not(tmp_path, brightness):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.jpg").write_bytes(encode_face(0))
    (tmp_path / "in" / "b.jpg").symlink_to("a.jpg")
    (tmp_path / "in" / "around").symlink_to(".")
    score(brightness, tmp_path / "in", tmp_path / "table.csv")
    first, second = read(tmp_path / "table.csv")[1:]
    assert (first[0], second[0]) == ("a.jpg", "b.jpg")
    assert first[1:] == second[1:]


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda path: None, "is not a directory; give a folder of pictures"),
        (lambda path: path.write_bytes(encode_face(0)), "is not a directory; give a folder of pictures"),
        (lambda path: path.mkdir(), "holds no picture; a picture ends in"),
        (lambda path: [path.mkdir(), (path / "a.txt").touch()], "holds no picture; a picture ends in"),
    ],
    ids=["missing", "file", "empty", "texts"],
)
def test_a_folder_without_pictures_is_told(tmp_path, make, told):
    make(tmp_path / "in")
    with pytest.raises(UserError, match=told):
        list_pictures(tmp_path / "in")


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
        self.image_size, self._predictor, self._calls, self._error = predictor.image_size, predictor, calls, error

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


@pytest.mark.parametrize("calls", [0, 1, 2, 3])
@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_an_interrupted_run_keeps_its_rows_and_is_resumed_to_the_same_table(
    hundred, brightness, tmp_path, calls, error
):
    whole, output = tmp_path / "whole.csv", tmp_path / "table.csv"
    counts = score(brightness, hundred, whole)
    with pytest.raises(error):
        score(Interrupted(brightness, calls, error), hundred, output)
    partial = tmp_path / "table.csv.partial"
    assert not output.exists()
    if calls:
        kept = read(partial)
        assert kept == read(whole)[: len(kept)]
        assert 1 < len(kept) < 101
    else:
        assert not partial.exists()
    again = score(brightness, hundred, output, resume=True)
    assert output.read_bytes() == whole.read_bytes()
    assert not partial.exists()
    assert again["errors"] == counts["errors"] == 12  # index 0, 9, ... 99: those of the first run count too


def test_the_table_of_another_folder_is_not_resumed(hundred, brightness, tmp_path):
    output, partial = tmp_path / "table.csv", tmp_path / "table.csv.partial"
    with pytest.raises(KeyboardInterrupt):
        score(Interrupted(brightness, 1), hundred, output)
    before = partial.read_bytes()
    other = tmp_path / "other"
    shutil.copytree(hundred, other)
    (other / "00 new.jpg").touch()
    with pytest.raises(UserError, match=r"is of another folder, or --input=.* has changed since"):
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
        image_size = brightness.image_size

        def predict(self, images):
            sizes.append(partial.stat().st_size)
            return brightness.predict(images)

    score(Watching(), hundred, tmp_path / "table.csv")
    assert len(sizes) > 2
    assert sizes == sorted(set(sizes))


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


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
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
    assert process.returncode == (-number if number == signal.SIGKILL else 128 + number)
    rows = len(partial.read_bytes().splitlines()) - 1
    assert 0 < rows < MANY
    assert not output.exists()
    again = [*argv, "--resume"]
    if number != signal.SIGKILL:
        told = stderr.splitlines()[-1]
        assert told.startswith("gender-score: interrupted; to go on: ")
        program, *again = shlex.split(told.partition("to go on: ")[2])
        assert program == "gender-score"
        assert again == [*argv, "--resume"]
    assert commands.SCORE.run(again) == 0
    assert output.read_bytes() == whole
