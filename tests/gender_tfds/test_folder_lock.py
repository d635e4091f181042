"""folder_lock: a second command is refused, and the lock of a killed one is gone."""

import signal
import subprocess
import sys

import pytest

from gender_tfds.atomic_files import PARTIAL
from gender_tfds.folder_lock import LOCK, keep_locked, locked
from gender_tfds.user_error import UserError


def _held_by_another(folder):
    script = (
        "import sys, time; from gender_tfds.folder_lock import locked\n"
        "with locked(sys.argv[1], 'x'):\n    print('locked', flush=True); time.sleep(60)"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(folder)], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "locked\n"
    return process


def test_a_second_process_is_refused_and_a_killed_one_leaves_no_lock(tmp_path):
    folder = tmp_path / "run"
    with _held_by_another(folder) as process:
        with (
            pytest.raises(UserError, match=f"--workdir={folder} is in use by another command"),
            locked(folder, "--workdir"),
        ):
            pytest.fail("two at a time")
        process.send_signal(signal.SIGKILL)
    assert (folder / LOCK).exists()
    with locked(folder, "--workdir"):
        assert [path.name for path in folder.iterdir()] == [LOCK]


def test_what_a_killed_command_was_writing_is_removed(tmp_path):
    left, mine = tmp_path / f"{PARTIAL}ab12" / "model.keras", tmp_path / "model.keras"
    left.parent.mkdir()
    for path in (left, mine):
        path.write_bytes(b"half")
    with locked(tmp_path / "other", "x"):
        assert left.exists()
    with locked(tmp_path, "x"):
        assert not left.parent.exists()
        assert mine.read_bytes() == b"half"


def test_the_lock_ends_with_an_error_too_and_is_for_one_folder(tmp_path):
    with pytest.raises(KeyError), locked(tmp_path / "a", "x"), locked(tmp_path / "b", "x"):
        raise KeyError
    with locked(tmp_path / "a", "x"), pytest.raises(UserError, match="in use"), locked(tmp_path / "a", "x"):
        pytest.fail("two at a time")


def test_a_place_that_can_hold_no_lock_is_one_sentence(tmp_path):
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(UserError, match=f"x={place} is a file, or lies in one; give a folder"), locked(place, "x"):
            pytest.fail("locked")
    with pytest.raises(UserError, match=r"can't be written \(.+\); give another folder"), locked("/proc/nowhere", "x"):
        pytest.fail("locked")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_lock_that_is_kept_refuses_others_and_not_its_own_process(tmp_path):
    script = "import sys; from gender_tfds.folder_lock import keep_locked; keep_locked(sys.argv[1], 'x')"
    for _ in range(2):
        keep_locked(tmp_path / "cache", "x")
    done = subprocess.run([sys.executable, "-c", script, tmp_path / "cache"], capture_output=True, text=True)
    assert "is in use by another command" in done.stderr
    subprocess.run([sys.executable, "-c", script, tmp_path / "other"], check=True)
    with locked(tmp_path / "other", "x"):  # its process has ended
        pass
