"""Read what a run folder holds, its record and its classifier: the one way for every station."""

import json
import os
import pathlib
import re
import zipfile
from typing import TYPE_CHECKING, Any

from gender_tfds import faces, run_folder
from gender_tfds.keras_archive import check_archive
from gender_tfds.keras_backend import prepare_backend
from gender_tfds.terminal import without_native_noise
from gender_tfds.user_error import UserError

if TYPE_CHECKING:
    import keras


_OURS = {"settings", "data"}  # what a run's record holds; many programs have a file named config.json


def is_run(workdir: pathlib.Path) -> bool:
    """Returns whether a folder holds a `config.json` that is a run's; a damaged one counts, and is told of as such."""
    path = workdir / run_folder.CONFIG
    if not path.is_file():
        return False
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return True
    return isinstance(content, dict) and set(content) >= _OURS


def load_record(workdir: pathlib.Path) -> dict[str, Any]:
    """Returns the content of a run folder's `config.json`.

    Raises:
      UserError: there is none, it is damaged, or it is another program's.
    """
    path = workdir / run_folder.CONFIG
    if not path.is_file():
        raise UserError(f"{workdir} is not a run folder: it holds no {path.name}; give the --workdir of a training run")
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(record, dict):
            raise ValueError(f"a record is an object, not {type(record).__name__}")
    except ValueError as error:
        raise UserError(f"{path} is damaged ({error}); train again with --overwrite") from error
    if not set(record) >= _OURS:
        raise UserError(f"{path} is another program's; give the --workdir of a training run")
    return record


def dataset_name(dataset: str) -> str:
    """Returns the name of a data set without the version or variant that TFDS takes with it, as in `utkface:1.0.0`."""
    return re.split("[:/]", dataset)[0]


def data_folder(record: dict[str, Any], data_dir: str | None) -> str | None:
    """Returns where a run's data are: `data_dir` if given, else where the run found them; None is TFDS' default."""
    return data_dir or record.get("data_dir")


def data_note(record: dict[str, Any]) -> str:
    """Returns what must be said beside every result of a run, by the data it was trained on."""
    return record["data"]["metadata"].get("note", faces.LABEL_NOTE)


def load_run(workdir: pathlib.Path) -> dict[str, Any]:
    """Returns `load_record` of a single training.

    Raises:
      UserError: as it does; or the folder is that of several trainings.
    """
    record = load_record(workdir)
    if "kind" in record:
        raise UserError(f"{workdir} is the folder of a {record['kind']}; give the --workdir of one training in it")
    return record


def architecture(record: dict[str, Any]) -> str:
    """Returns the name of a run's network: of the model that it began from, if it did."""
    return record.get("architecture", record["settings"]["model"])


def dataset_names(record: dict[str, Any]) -> list[str]:
    """Returns the names of the data sets that a run was trained on; by the first one it was judged first."""
    return record["settings"]["dataset"].split(",")


def load_model(path: str | os.PathLike) -> "keras.Model":
    """Returns whatever model is in a `.keras` file.

    Raises:
      UserError: no such file, not a Keras model, one that holds code, or one that would unpack to a multiple of its
        size; or a backend of Keras that can't be had.
    """
    path = pathlib.Path(path)
    if not path.is_file():
        raise UserError(f"{path} is not a file; a run folder holds it when its training is finished")
    if not zipfile.is_zipfile(path):
        raise UserError(f"{path} is damaged, or not a .keras file; give the {run_folder.MODEL} of a run folder")
    prepare_backend()
    with without_native_noise():
        import keras

    try:
        check_archive(path)
        return keras.saving.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras raises whatever a damaged or foreign archive leads to
        reason = (str(error).splitlines() or [type(error).__name__])[0][:200]
        raise UserError(f"{path} can't be loaded as a Keras model ({reason}); give the .keras file of a run") from error


def load_classifier(path: str | os.PathLike) -> "keras.Model":
    """Returns the model in a `.keras` file: pixels in [0, 255], shape (n, size, size, 3), to p(female), shape (n, 1).

    Raises:
      UserError: no such file, not a Keras model, or one with other inputs or outputs.
    """
    model = load_model(path)
    shape, output = getattr(model, "input_shape", None), getattr(model, "output_shape", None)
    if not (isinstance(shape, tuple) and len(shape) == 4 and shape[1] == shape[2] and shape[1] and shape[3] == 3):
        raise UserError(f"{path} takes input of shape {shape}; a face classifier takes (n, size, size, 3)")
    if not (isinstance(output, tuple) and output[1:] == (1,)):
        raise UserError(
            f"{path} gives output of shape {output}; a face classifier gives (n, 1), the probability of female"
        )
    return model
