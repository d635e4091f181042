"""One command at a time works in a folder: a lock of the operating system's, which dies with the process."""

import contextlib
import os
import pathlib
import shutil
from collections.abc import Iterator

import filelock

from gender_tfds.atomic_files import PARTIAL
from gender_tfds.user_error import UserError

LOCK = ".lock"  # stays in the folder: removed, it would let two processes lock two files of one name


_kept: dict[pathlib.Path, contextlib.AbstractContextManager] = {}


def keep_locked(folder: str | os.PathLike, name: str) -> None:
    """Locks a folder as `locked` does until this process ends, which may do so again and again.

    Raises:
      UserError: as `locked`.
    """
    folder = pathlib.Path(folder).resolve()
    if folder not in _kept:
        lock = locked(folder, name)
        lock.__enter__()
        _kept[folder] = lock


def check_unlocked(folder: str | os.PathLike, name: str) -> None:
    """Looks whether another command works in a folder, before what takes seconds; makes no folder.

    Raises:
      UserError: as `locked`.
    """
    if (pathlib.Path(folder) / LOCK).is_file():
        with locked(folder, name):
            pass


@contextlib.contextmanager
def locked(folder: str | os.PathLike, name: str) -> Iterator[None]:
    """Keeps every other command out of a folder, which is made if it is not there.

    What a killed command was about to write, and nobody will finish, is removed from it.

    Args:
      folder: local.
      name: what the folder is called in a sentence, such as `--workdir`.

    Raises:
      UserError: another process works in it, or it can't be written.
    """
    folder = pathlib.Path(folder)
    lock = filelock.FileLock(folder / LOCK, timeout=0)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except filelock.Timeout as error:
        raise UserError(
            f"{name}={folder} is in use by another command; wait for its end, or give another folder"
        ) from error
    except (FileExistsError, NotADirectoryError) as error:
        raise UserError(f"{name}={folder} is a file, or lies in one; give a folder") from error
    except OSError as error:
        raise UserError(f"{name}={folder} can't be written ({error.strerror}); give another folder") from error
    try:
        for left in folder.glob(f"{PARTIAL}*"):  # by a command that was killed: nobody else works here
            shutil.rmtree(left, ignore_errors=True)
        yield
    finally:
        lock.release()
