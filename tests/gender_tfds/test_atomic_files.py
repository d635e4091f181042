"""atomic_files: an output appears whole or not at all, and what stood there before is not lost."""

import os
import pathlib
from unittest import mock

import pytest

from gender_tfds.atomic_files import atomic_path, write_text


def _names(folder):
    return sorted(path.name for path in folder.rglob("*"))


def test_a_file_appears_when_it_is_whole(tmp_path):
    target = tmp_path / "new" / "folder" / "table.csv"
    with atomic_path(target) as partial:
        partial.write_text("half")
        assert not target.exists()
        # writers choose a format by the suffix, and a rename is atomic on one file system only
        assert partial.suffix == ".csv"
        assert partial.stat().st_dev == target.parent.stat().st_dev
        partial.write_text("whole")
    assert target.read_text() == "whole"
    assert _names(tmp_path) == ["folder", "new", "table.csv"]


def test_a_file_is_replaced(tmp_path):
    write_text(tmp_path / "a.txt", "old")
    write_text(str(tmp_path / "a.txt"), "Zoë")
    assert (tmp_path / "a.txt").read_bytes() == "Zoë".encode()
    assert _names(tmp_path) == ["a.txt"]


def test_a_relative_path_is_taken(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_text("a.txt", "here")
    assert (tmp_path / "a.txt").read_text() == "here"


def _write_half(path, error):
    with atomic_path(path) as partial:
        partial.write_text("half")
        raise error("in between")


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_keeps_the_old_file_and_leaves_nothing_else(tmp_path, error):
    target = tmp_path / "a.txt"
    target.write_text("old")
    with pytest.raises(error, match="in between"):
        _write_half(target, error)
    assert target.read_text() == "old"
    assert _names(tmp_path) == ["a.txt"]


def test_an_error_at_the_first_writing_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match="in between"):
        _write_half(tmp_path / "a.txt", ValueError)
    assert _names(tmp_path) == []


def _folder(path, **files):
    path.mkdir()
    for name, text in files.items():
        (path / name).write_text(text)


def test_a_folder_is_replaced_as_a_whole(tmp_path):
    _folder(tmp_path / "model", stays="old", goes="old")
    with atomic_path(tmp_path / "model") as partial:
        _folder(partial, stays="new", comes="new")
        assert _names(tmp_path / "model") == ["goes", "stays"]
    assert _names(tmp_path) == ["comes", "model", "stays"]
    assert (tmp_path / "model" / "stays").read_text() == "new"


def test_an_error_keeps_the_old_folder(tmp_path):
    _folder(tmp_path / "model", weights="old")
    with pytest.raises(ValueError, match="in between"):
        _write_half(tmp_path / "model", ValueError)
    assert (tmp_path / "model" / "weights").read_text() == "old"
    assert _names(tmp_path) == ["model", "weights"]


def test_a_writer_that_wrote_nothing_is_an_error_and_costs_no_folder(tmp_path):
    _folder(tmp_path / "model", weights="old")
    with pytest.raises(FileNotFoundError), atomic_path(tmp_path / "model"):
        pass
    assert (tmp_path / "model" / "weights").read_text() == "old"


def test_a_file_takes_no_folders_place(tmp_path):
    _folder(tmp_path / "model", weights="old")
    with pytest.raises(OSError, match="irectory"):
        write_text(tmp_path / "model", "a file")
    assert _names(tmp_path) == ["model", "weights"]


def test_the_bytes_are_on_the_disk_before_the_name_is(tmp_path, monkeypatch):
    target, synced = tmp_path / "a.txt", []

    def fsync(number):
        synced.append((pathlib.Path(f"/proc/self/fd/{number}").resolve().name, target.exists()))

    monkeypatch.setattr(os, "fsync", fsync)
    write_text(target, "text")
    assert [there for _, there in synced] == [False]
    assert target.exists()


def test_an_interruption_between_the_old_folder_and_the_new_brings_the_old_one_back(tmp_path, monkeypatch):
    _folder(tmp_path / "model", weights="old")
    monkeypatch.setattr(pathlib.Path, "replace", mock.Mock(side_effect=KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt), atomic_path(tmp_path / "model") as partial:
        _folder(partial, weights="new")
    assert _names(tmp_path) == ["model", "weights"]
    assert (tmp_path / "model" / "weights").read_text() == "old"
