"""Where UTKFace's pictures come from: a folder, or a download by kagglehub."""

import contextlib
import os
import pathlib

import kagglehub
import requests
from etils import epath
from kagglehub.exceptions import BackendError, CredentialError, DataCorruptionError, UnauthenticatedError

from gender_tfds.face_listing import FileNames
from gender_tfds.user_error import UserError

# With a version, a download that is already in kagglehub's cache is used without a network.
HANDLE = "jangedoo/utkface-new/versions/1"
# The archive holds the same faces up to three times, so only one folder is read and never a subfolder.
_FOLDERS = ("UTKFace", "utkface_aligned_cropped/UTKFace", "crop_part1", ".")
# kagglehub's own errors have no base in common; that of a bad status is one of requests'.
_REFUSALS = (
    requests.exceptions.RequestException,
    BackendError,
    CredentialError,
    DataCorruptionError,
    UnauthenticatedError,
)
_HOW_TO = (
    "download it from https://www.kaggle.com/datasets/jangedoo/utkface-new, unpack it, and give the folder that holds"
    " UTKFace/ with --manual_dir"
)


def download() -> epath.Path:
    """Returns the folder of the archive, downloaded by kagglehub unless it is in its cache.

    Raises:
      UserError: no network, no account, the data set is not there, or arrived damaged.
    """
    try:
        return epath.Path(kagglehub.dataset_download(HANDLE))
    except requests.exceptions.ConnectionError as error:
        raise UserError(f"UTKFace can't be downloaded without a network; {_HOW_TO}") from error
    except _REFUSALS as error:
        reason = " ".join(str(error).split())[:200].rstrip(".")
        raise UserError(f"Kaggle's download of {HANDLE} failed ({reason}); {_HOW_TO}") from error


def pictures(folder: epath.Path) -> tuple[epath.Path, FileNames]:
    """Returns the folder of faces, and the names of the JPEG files in it.

    Args:
      folder: the archive's root or the folder of faces itself.

    Raises:
      UserError: `folder` is no directory, or holds no JPEG file where faces are expected.
    """
    if not folder.is_dir():
        raise UserError(f"--manual_dir={folder} is not a directory; {_HOW_TO}")
    for name in _FOLDERS:
        with contextlib.suppress(NotADirectoryError, FileNotFoundError), os.scandir(folder / name) as entries:
            found = FileNames(e.name for e in entries if pathlib.PurePath(e.name).suffix.lower() == ".jpg")
            if len(found):
                return folder / name, found
    raise UserError(f"--manual_dir={folder} holds no .jpg file, nor does UTKFace/ in it; {_HOW_TO}")
