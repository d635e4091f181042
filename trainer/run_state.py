"""A workdir before training: fresh, to be resumed, finished, or in the way; and the `config.json` that says which."""

import dataclasses
import json
import pathlib
import platform
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from importlib import metadata
from typing import Any

from gender_tfds import run_folder
from gender_tfds.atomic_files import PARTIAL, write_text
from gender_tfds.folder_lock import LOCK
from gender_tfds.packaged_models import keras_file
from gender_tfds.saved_run import is_run, load_record
from gender_tfds.user_error import UserError
from trainer.config import TrainConfig
from trainer.lineage import seen_by_run, sources

RUN, CROSS_VALIDATION, SEARCH = "run", "cross-validation", "search"  # kinds of folders
_VERSIONS = ("gender-classifier", "tensorflow", "keras", "tensorflow-datasets", "numpy", "opencv-python-headless")
# every name that a run writes into its folder
_OWN = {value for name, value in vars(run_folder).items() if name.isupper() and isinstance(value, str)} - {
    run_folder.UNDECIDED  # what a prediction may say
}


def check_workdir(workdir: pathlib.Path, kind: str, *, resume: bool, overwrite: bool) -> None:
    """Looks whether a run of a kind may begin in `workdir`, or go on there.

    Raises:
      UserError: the folder holds a run and neither `resume` nor `overwrite` is given, or another kind of folder, or
        files that are no run.
    """
    if workdir.exists() and not workdir.is_dir():
        raise UserError(f"--workdir={workdir} is a file; give a folder")
    strangers = [path.name for path in workdir.iterdir()] if workdir.is_dir() else []
    strangers = sorted(name for name in strangers if not name.startswith(PARTIAL) and name != LOCK)
    if strangers and not is_run(workdir):
        raise UserError(
            f"--workdir={workdir} holds files that are no run ({', '.join(strangers[:3])}); give a new folder"
        )
    there = (workdir / run_folder.CONFIG).is_file()
    held = _held(workdir) if there else kind
    if held not in (kind, None):
        raise UserError(f"--workdir={workdir} holds a {held}, which is no {kind}; give another folder")
    if there and not overwrite and not resume:
        raise UserError(
            f"--workdir={workdir} already holds a {kind}; go on with it by --resume, replace it by --overwrite, or"
            " give a new folder"
        )


def prepare_workdir(
    workdir: pathlib.Path, record: dict[str, Any], *, resume: bool, overwrite: bool, own: Sequence[str] = ()
) -> None:
    """Makes `workdir` ready for the run that `record` describes, and writes its `config.json` if the run is new.

    Args:
      workdir: the folder.
      record: of `make_record`; `kind` and `kind_settings` in it tell several runs in one folder from a single one.
      resume: leave a run with the same settings and data as it is.
      overwrite: remove the run that is there.
      own: patterns of the names that such a folder holds beside those of a run.

    Raises:
      UserError: as `check_workdir` does; or the folder holds a run with other settings or other data than the one to
        resume, or a model that the new run takes something from, or can't be written.
    """
    check_workdir(workdir, record.get("kind", RUN), resume=resume, overwrite=overwrite)
    config_file = workdir / run_folder.CONFIG
    if config_file.is_file() and not overwrite:
        _check_same(load_record(workdir), record, workdir)
        return
    _remove_run(workdir, own, TrainConfig.from_json(record["settings"]))
    try:
        write_text(config_file, json.dumps(record, indent=2) + "\n")
    except OSError as error:
        raise UserError(f"--workdir={workdir} can't be written ({error.strerror}); give another folder") from error


def make_record(
    config: TrainConfig, architecture: str, data: dict[str, Any], data_dir: str, device: str, precision: str
) -> dict[str, Any]:
    """Returns the content of `config.json`: what is needed to understand the run and to repeat it."""
    import keras  # here, since commands look at a workdir before what takes seconds

    backend = keras.config.backend()
    return {
        "settings": config.to_json(),
        "architecture": architecture,
        "data": data,
        "seen": seen_by_run(config),
        "data_dir": data_dir,
        "device": device,
        "precision": precision,
        "backend": backend,
        "python": platform.python_version(),
        "versions": {name: metadata.version(name) for name in dict.fromkeys((*_VERSIONS, backend))},
        "git": git_state(pathlib.Path(__file__).parents[1]),
        "command": shlex.join([pathlib.Path(sys.argv[0]).name, *sys.argv[1:]]),
    }


def git_state(folder: pathlib.Path) -> str | None:
    """Returns the commit of the checkout in `folder`, ending in `-dirty` if its files differ; None if there is none."""
    git = shutil.which("git")
    if not git or not (folder / ".git").exists():  # a release; what it lies in may be under git, and tells nothing
        return None
    command = [git, "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):  # another user's checkout, or one without a commit
        return None
    return told.stdout.strip()


def _check_same(old: dict[str, Any], new: dict[str, Any], workdir: pathlib.Path) -> None:
    saved, given = (
        dataclasses.asdict(TrainConfig.from_json(record.get("settings", {})))
        | {"precision": record.get("precision")}  # what `auto` chose, for this device
        | record.get("kind_settings", {})
        for record in (old, new)
    )
    kind = new.get("kind", RUN)
    different = [
        f"--{name}={value} where the {kind} has {saved.get(name)}"
        for name, value in given.items()
        if saved.get(name) != value
    ]
    if old.get("data", {}).get("sha256") != new["data"]["sha256"]:
        different.append("another build of the data")
    if different:
        raise UserError(
            f"--resume can't go on with the {kind} in {workdir}: {'; '.join(different)}; give the {kind}'s own settings"
            " or a new folder"
        )


def _held(workdir: pathlib.Path) -> str | None:
    try:
        return load_record(workdir).get("kind", RUN)
    except UserError:  # damaged: --overwrite is the way out, --resume will tell
        return None


def _remove_run(workdir: pathlib.Path, own: Sequence[str], config: TrainConfig) -> None:
    paths = [found for name in (*_OWN, *own) for found in workdir.glob(name)]
    for flag, model in sources(config):
        if any(keras_file(model).resolve().is_relative_to(path.resolve()) for path in paths):
            raise UserError(
                f"--{flag}={model} is a part of what --overwrite would remove from --workdir={workdir}; give another"
                " --workdir, or copy the model to another folder first"
            )
    for path in paths:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()
