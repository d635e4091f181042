"""A full disk or one that can't be written: one sentence, status 2, nothing half-written, and what was there stays."""

import contextlib
import os
import pathlib
import resource
import subprocess
from collections.abc import Iterator
from unittest import mock

import pandas as pd
import pytest
import tensorflow_datasets as tfds

from export import commands as exporting
from gender_tfds import run_folder
from gender_tfds.drawn_faces.drawn_faces_dataset_builder import Builder
from gender_tfds.drawn_faces.picture import encode_face
from gender_tfds.folder_lock import LOCK
from gender_tfds.user_error import UserError
from trainer import commands as training

TRAIN = ["--image_size=32", "--batch_size=32", "--epochs=2", "--resume"]  # as `trained_run` was
PACKAGED = "device"


class Disk:
    """A small disk of its own.

    Attributes:
      folder: where it is mounted.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        self.folder = folder
        folder.mkdir()
        self._mount("-t", "tmpfs", "-o", "size=64m", "tmpfs")

    def resize(self, size: int) -> None:
        """Gives it room for so many bytes."""
        self._mount("-o", f"remount,rw,size={size}")

    def forbid(self) -> None:
        """Lets nobody write to it, not even root."""
        self._mount("-o", "remount,ro")

    def remove(self) -> None:
        subprocess.run(["umount", self.folder], check=True)

    def _mount(self, *arguments: str) -> None:
        done = subprocess.run(["mount", *arguments, self.folder], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip(f"needs to mount a small disk: {done.stderr.strip()}")


@pytest.fixture
def disk(tmp_path) -> Iterator[Disk]:
    """A disk; skips where none may be mounted."""
    mounted = Disk(tmp_path / "disk")
    yield mounted
    mounted.remove()


@contextlib.contextmanager
def longest_file(size: int) -> Iterator[None]:
    """Lets no file grow over a size: the fault of a full disk, for whoever may not mount one."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def content(folder: pathlib.Path) -> dict[str, bytes]:
    """Returns what the files below a folder hold, but locks."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != LOCK]
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def told(capsys, program: str) -> str:
    """Returns the one sentence with which a command ended."""
    captured = capsys.readouterr()
    lines = [line for line in captured.err.splitlines() if line.startswith(f"{program}: ")]
    assert len(lines) == 1, captured.err[-3000:]
    assert "Traceback" not in captured.err
    return lines[0]


# ---- building


@pytest.fixture
def many_faces():
    with mock.patch.object(Builder, "NUM_FACES", 200):
        yield


def build(folder: pathlib.Path) -> None:
    Builder(data_dir=folder).download_and_prepare()


def check_build_fails(folder: pathlib.Path, words: str, limit: contextlib.AbstractContextManager) -> None:
    with limit, pytest.raises(UserError, match=words) as error:
        build(folder)
    assert "\n" not in str(error.value)
    assert not list(folder.rglob("*.tfrecord*"))
    assert not list(folder.rglob("incomplete.*"))


@pytest.mark.usefixtures("many_faces")
def test_a_build_on_a_full_disk(disk):
    (disk.folder / "mine").write_bytes(b"before")
    disk.resize(300_000)
    check_build_fails(disk.folder, "No space left on device", contextlib.nullcontext())
    assert content(disk.folder) == {"mine": b"before"}
    disk.resize(64 << 20)
    build(disk.folder)
    assert tfds.builder("drawn_faces", data_dir=disk.folder).info.splits.total_num_examples == 200


@pytest.mark.usefixtures("many_faces")
def test_a_build_whose_files_may_not_grow(tmp_path):
    check_build_fails(tmp_path, "File too large", longest_file(100_000))
    build(tmp_path)


@pytest.mark.usefixtures("many_faces")
def test_a_build_on_a_read_only_disk(disk):
    disk.forbid()
    check_build_fails(disk.folder, "Read-only file system", contextlib.nullcontext())


# ---- training


def train(data_dir, workdir: pathlib.Path) -> int:
    return training.train([f"--data_dir={data_dir}", f"--workdir={workdir}", *TRAIN])


def check_history(workdir: pathlib.Path, whole: pathlib.Path) -> None:
    for name in (run_folder.PREDICTIONS, run_folder.METRICS):
        assert (workdir / name).read_text() == (whole / name).read_text()
    ours, theirs = (
        pd.read_csv(folder / run_folder.HISTORY).drop(columns=["seconds", "images_per_second"])
        for folder in (workdir, whole)
    )
    pd.testing.assert_frame_equal(ours, theirs)


def check_nothing_half_written(workdir: pathlib.Path) -> None:
    assert not list(workdir.glob(".partial-*"))
    assert not (workdir / run_folder.MODEL).exists()
    assert not (workdir / run_folder.METRICS).exists()


def test_a_training_on_a_full_disk_goes_on_when_there_is_room(disk, data_dir, trained_run, capsys):
    # room for one checkpoint, and not for a second one beside it
    disk.resize(int(1.6 * (trained_run / run_folder.CHECKPOINT).stat().st_size))
    workdir = disk.folder / "run"
    assert train(data_dir, workdir) == 2
    assert "can't be written (No space left on device); make room" in told(capsys, "gender-train")
    assert (workdir / run_folder.CHECKPOINT).exists()
    check_nothing_half_written(workdir)
    disk.resize(64 << 20)
    assert train(data_dir, workdir) == 0
    check_history(workdir, trained_run)


@pytest.mark.slow
def test_a_training_whose_files_may_not_grow(tmp_path, data_dir, trained_run, capsys):
    with longest_file((trained_run / run_folder.CHECKPOINT).stat().st_size // 2):
        assert train(data_dir, tmp_path / "run") == 2
    assert "can't be written (File too large); make room" in told(capsys, "gender-train")
    check_nothing_half_written(tmp_path / "run")


def test_a_training_on_a_read_only_disk(disk, data_dir, capsys):
    disk.forbid()
    assert train(data_dir, disk.folder / "run") == 2
    assert "can't be written (Read-only file system)" in told(capsys, "gender-train")


# ---- exporting


def export(trained_run, data_dir, folder: pathlib.Path) -> int:
    formats = "--formats=saved_model,float32,float16"
    return exporting.export([f"--workdir={trained_run}", f"--data_dir={data_dir}", f"--output_dir={folder}", formats])


@pytest.mark.parametrize("how", ["full", "longest_file", "read_only"])
def test_an_export_leaves_the_artefacts_that_are_there(how, request, tmp_path, data_dir, trained_run, capsys):
    folder = tmp_path if how == "longest_file" else request.getfixturevalue("disk").folder
    (folder / "model_float16.tflite").write_bytes(b"an older, good artefact")
    (folder / "saved_model").mkdir()
    (folder / "saved_model" / "older").write_bytes(b"an older, good artefact")
    before, limit = content(folder), contextlib.nullcontext()
    if how == "full":
        request.getfixturevalue("disk").resize(100_000)
    elif how == "read_only":
        request.getfixturevalue("disk").forbid()
    else:
        limit = longest_file(50_000)
    with limit:
        assert export(trained_run, data_dir, folder) == 2
    assert "can't be written" in told(capsys, "gender-export")
    assert content(folder) == before
    assert not list(folder.glob(".partial-*"))


# ---- scoring


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> pathlib.Path:
    """So many pictures that their table is longer than the disk."""
    folder = tmp_path_factory.mktemp("pictures")
    (folder / "0.jpg").write_bytes(encode_face(0))
    for index in range(1, 1000):
        os.link(folder / "0.jpg", folder / f"{index}.jpg")
    return folder


def score(pictures: pathlib.Path, output: pathlib.Path, *flags: str) -> int:
    return exporting.score([str(pictures), f"--model={PACKAGED}", f"--output={output}", *flags])


@pytest.mark.parametrize("suffix", [".csv", pytest.param(".parquet", marks=pytest.mark.slow)])
def test_a_scoring_on_a_full_disk_goes_on_when_there_is_room(disk, pictures, tmp_path, capsys, suffix):
    assert score(pictures, tmp_path / f"whole{suffix}") == 0
    capsys.readouterr()
    (disk.folder / "mine.csv").write_bytes(b"before")
    disk.resize(24_000)
    output = disk.folder / f"table{suffix}"
    assert score(pictures, output) == 2
    assert "can't be written (No space left on device); make room" in told(capsys, "gender-score")
    assert not output.exists()
    assert (disk.folder / "mine.csv").read_bytes() == b"before"
    disk.resize(64 << 20)
    assert score(pictures, output, "--resume") == 0
    assert output.read_bytes() == (tmp_path / f"whole{suffix}").read_bytes()
    assert sorted(path.name for path in disk.folder.iterdir()) == ["mine.csv", output.name]


def test_a_scoring_whose_table_may_not_grow(pictures, tmp_path, capsys):
    with longest_file(20_000):
        assert score(pictures, tmp_path / "table.csv") == 2
    assert "can't be written (File too large)" in told(capsys, "gender-score")
    assert not (tmp_path / "table.csv").exists()
    assert score(pictures, tmp_path / "table.csv", "--resume") == 0
    assert len(pd.read_csv(tmp_path / "table.csv")) == 1000


def test_a_scoring_on_a_read_only_disk(disk, pictures, capsys):
    (disk.folder / "table.csv").write_bytes(b"before")
    disk.forbid()
    assert score(pictures, disk.folder / "table.csv", "--overwrite") == 2
    assert "can't be written (Read-only file system)" in told(capsys, "gender-score")
    assert content(disk.folder) == {"table.csv": b"before"}
