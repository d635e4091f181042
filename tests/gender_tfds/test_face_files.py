"""face_files: what is read is found, what can't be is counted, and nothing waits for ever."""

import os
import random
import time
from collections import Counter

import pytest

from gender_tfds import face_files
from gender_tfds.drawn_faces.picture import encode_face
from gender_tfds.face_listing import Face
from gender_tfds.faces import RejectedError


def _read(number):
    if number % 3 == 0:
        raise RejectedError("three" if number % 2 else "six")
    time.sleep(random.random() / 1000)  # so that threads overtake one another
    return Face(f"{number}", b"", number % 2, f"{number}")


def test_faces_keep_their_order_and_rejects_are_counted():
    skipped = Counter()
    found = face_files.sort_out(range(1, 31), _read, skipped)
    assert [face.filename for face in found] == [str(number) for number in range(1, 31) if number % 3]
    assert skipped == Counter(three=5, six=5)
    assert list(face_files.sort_out([], _read, skipped)) == []
    assert skipped.total() == 10


def test_a_fault_is_no_reject():
    with pytest.raises(TypeError):
        list(face_files.sort_out(["a name"], _read, Counter()))


def test_files_are_listed_once_with_their_folders(tmp_path):
    for name in ("a b/ü.jpg", "a b/c/d.txt", "top.png", "empty.jpg"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "nothing").mkdir()
    (tmp_path / "a b" / "circle").symlink_to(tmp_path)
    (tmp_path / "broken").symlink_to("/nonesuch")
    (tmp_path / "linked.jpg").symlink_to(tmp_path / "top.png")
    (tmp_path / "linked").symlink_to(tmp_path / "a b" / "c")
    assert sorted(face_files.list_files(tmp_path)) == sorted(
        ["a b/ü.jpg", "a b/c/d.txt", "top.png", "empty.jpg", "a b/circle", "broken", "linked.jpg", "linked/d.txt"]
    )
    assert list(face_files.list_files(tmp_path / "nonesuch")) == []


def test_a_folder_that_can_not_be_read_is_listed_itself(tmp_path, monkeypatch):
    for name in ("male/closed/a.jpg", "male/open/b.jpg"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).write_bytes(b"")
    scan = os.scandir

    def refuse(path):  # a test may be run by somebody who may read everything
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    assert set(face_files.list_files(tmp_path)) == {"male/closed/a.jpg", "male/open/b.jpg"}
    monkeypatch.setattr(os, "scandir", refuse)
    assert set(face_files.list_files(tmp_path)) == {"male/closed", "male/open/b.jpg"}


def _odd_paths(folder):
    (folder / "folder").mkdir()
    (folder / "broken").symlink_to("/nonesuch")
    (folder / "self").symlink_to(folder / "self")
    os.mkfifo(folder / "pipe")
    return {
        "folder": "not_a_file",
        "pipe": "not_a_file",
        "broken": "missing_file",
        "gone": "missing_file",
        "no\0name": "missing_file",
        "self": "missing_file",
        "long" * 100: "unreadable",
    }


def test_what_is_no_file_is_rejected_and_not_waited_for(tmp_path):
    (tmp_path / "file").write_bytes(b"content")
    (tmp_path / "link").symlink_to(tmp_path / "file")
    assert face_files.read_file(tmp_path / "file") == face_files.read_file(tmp_path / "link") == b"content"
    reasons = {}
    for name in (odd := _odd_paths(tmp_path)):
        with pytest.raises(RejectedError) as error:
            face_files.read_file(tmp_path / name)
        reasons[name] = str(error.value)
    assert reasons == odd


def test_a_file_of_somebody_else_is_unreadable(tmp_path, monkeypatch):
    (tmp_path / "theirs").write_bytes(b"content")

    def refuse(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(face_files.pathlib.Path, "read_bytes", refuse)  # root, as a test may run, may read anything
    with pytest.raises(RejectedError, match="unreadable"):
        face_files.read_file(tmp_path / "theirs")


WHOLE = encode_face(0)


@pytest.mark.parametrize("content", [b"", WHOLE[: len(WHOLE) // 2], WHOLE[5:], b"<html>" * 100])
def test_a_file_that_is_no_whole_jpeg_is_damaged(tmp_path, content):
    face, file = Face("a.jpg", str(tmp_path), 0, "a.jpg"), tmp_path / "a.jpg"
    file.write_bytes(WHOLE)
    assert face_files.whole_jpeg(face) is face
    file.write_bytes(content)
    with pytest.raises(RejectedError, match="damaged"):
        face_files.whole_jpeg(face)


def test_groups_are_looked_for_unless_they_are_given(tmp_path):
    found = []
    for name, index in {"b/1.jpg": 0, "a/1.jpg": 0, "a/2.jpg": 1}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(encode_face(index))
        found.append(Face(name, str(tmp_path), 0, group=name))
    assert [face.group for face in face_files.in_groups(found)] == ["a/1.jpg", "a/1.jpg", "a/2.jpg"]
    given = list(face_files.in_groups(found, {"a/2.jpg": "theirs"}))
    assert [face.group for face in given] == ["b/1.jpg", "a/1.jpg", "theirs"]
    assert [(face.filename, face.image) for face in given] == [(face.filename, face.image) for face in found]
