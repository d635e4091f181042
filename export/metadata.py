"""What travels inside every artefact, so that the file alone is enough to use it."""

import importlib.metadata
import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from gender_tfds import faces, run_folder
from gender_tfds.licences import licences
from gender_tfds.saved_run import data_note, dataset_names
from gender_tfds.user_error import UserError

METADATA = "metadata.json"  # the file's name inside an artefact


def make_metadata(image_size: int, record: dict[str, Any]) -> dict[str, Any]:
    """Returns the facts about a model.

    Args:
      image_size: height and width of its input in pixels.
      record: content of its run's `config.json`.
    """
    return {
        "labels": list(faces.GENDERS),
        "image_size": image_size,
        "threshold": run_folder.THRESHOLD,
        "input": "RGB pixels in [0, 255] of a cropped, upright face",
        "crop": dataset_names(record)[0],
        "crop_templates": faces.CROP_TEMPLATES,
        "output": "probability of female: perceived gender, binary, by annotation",
        "note": data_note(record),
        "data": record["data"]["name"],
        "data_sha256": record["data"]["sha256"],
        "licence": licences(record),
        "version": importlib.metadata.version("gender-classifier"),
    }


def check_metadata(content: Any) -> dict[str, Any]:
    """Returns an artefact's metadata, of which a scorer needs labels, input size, threshold, note and crop templates.

    An artefact without the last takes the crops of UTKFace.

    Raises:
      ValueError: it lacks another of them, or the model answers other labels than this program's.
    """
    missing = {"labels", "image_size", "threshold", "note"} - set(content if isinstance(content, dict) else ())
    if missing:
        raise ValueError(f"its metadata has no {', '.join(sorted(missing))}")
    if content["labels"] != list(faces.GENDERS):
        raise ValueError(f"its labels are {content['labels']}, not {list(faces.GENDERS)}")
    if not 0 <= float(content["threshold"]) <= 1:
        raise ValueError(f"its threshold is {content['threshold']}, no probability")
    templates = content.get("crop_templates", faces.CROP_TEMPLATES)
    for detector, usual in faces.CROP_TEMPLATES.items():
        if np.shape(templates.get(detector)) != np.shape(usual):
            raise ValueError(f"its crop template for {detector} has not {len(usual)} points")
    return content | {"crop_templates": templates}


def check_shapes(path: str | os.PathLike, metadata: dict[str, Any], taken: Sequence[int], given: Sequence[int]) -> None:
    """Compares what a model takes and gives for one picture with what its metadata say.

    Args:
      path: of the model.
      metadata: as `check_metadata` returns them.
      taken: shape of its input, without the batch.
      given: shape of its answer, without the batch.

    Raises:
      UserError: it takes pictures of another size, or gives other than one number.
    """
    size = int(metadata["image_size"])
    if list(taken) != [size, size, 3]:
        raise UserError(f"{path} takes pictures of shape {list(taken)}, not what its metadata says")
    if list(given) != [1]:
        raise UserError(
            f"{path} gives answers of shape {list(given)}; a face classifier gives [1], the probability of female"
        )


def not_ours(path: str | os.PathLike, error: Exception) -> UserError:
    """Returns what a user is told of a file that a runtime could not load, or whose metadata is not this program's."""
    reason = (str(error).splitlines() or [type(error).__name__])[0]
    return UserError(f"--model={path} is damaged, or not an artefact of gender-export ({reason}); export the run again")
