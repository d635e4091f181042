"""Artefacts from a run folder: emit, compare with Keras, publish what passes."""

import dataclasses
import functools
import json
import logging
import os
import pathlib
from collections.abc import Callable, Sequence
from importlib import metadata
from typing import Any

from export import parity, saved_model, tflite
from export.predictor import load_predictor
from gender_tfds import faces, reading, run_folder
from gender_tfds.atomic_files import atomic_path, write_text
from gender_tfds.command_line import UserError
from gender_tfds.saved_run import data_note, dataset_names, load_classifier, load_record

log = logging.getLogger(__name__)

# Name -> (emit, name of the file or folder, largest difference of p(female) from Keras').
EMITTERS: dict[str, tuple[Callable[..., None], str, float]] = {
    "saved_model": (saved_model.emit_saved_model, "saved_model", 1e-4),
    "float32": (tflite.emit_tflite, "model_float32.tflite", 1e-4),
    "float16": (tflite.emit_float16, "model_float16.tflite", 2e-3),
    "dynamic_int8": (tflite.emit_dynamic_int8, "model_dynamic_int8.tflite", 0.1),
}
MAX_CHANGED = 0.005  # share of the faces whose label an artefact may change
RESULTS = "export.json"


class RefusedError(Exception):
    """An artefact that differs from its model; its argument says how."""


def export_run(
    workdir: str | os.PathLike,
    output_dir: str | os.PathLike,
    formats: Sequence[str],
    *,
    data_dir: str | None = None,
    max_faces: int = 5000,
) -> dict[str, Any]:
    """Writes a run's artefacts, each after it gave the Keras model's answers on test faces.

    Args:
      workdir: the run folder.
      output_dir: where the artefacts go; those that are there are replaced, each at once.
      formats: keys of `EMITTERS`.
      data_dir: where the run's data set was built; where the run found it if None.
      max_faces: how many test faces to compare on.

    Returns:
      The content of `export.json`: for each format its file, bytes, and the comparison or why it was refused.

    Raises:
      UserError: no run folder, no data, an unknown format, or an output folder that can't be written.
    """
    unknown = sorted(set(formats) - set(EMITTERS))
    if unknown or not formats:
        raise UserError(f"--formats={','.join(formats)}: give one or more of {', '.join(EMITTERS)}")
    workdir, output_dir = pathlib.Path(workdir).expanduser(), pathlib.Path(output_dir).expanduser()
    record = load_record(workdir)
    model = load_classifier(workdir / run_folder.MODEL)
    encoded = _test_faces(record, data_dir, max_faces)
    reference = parity.reference_probabilities(model, encoded)
    facts = make_metadata(model.input_shape[1], record)
    results = {}
    for name in formats:
        emit, file, tolerance = EMITTERS[name]
        try:
            emit_model = functools.partial(emit, model, metadata=facts)
            results[name] = publish(emit_model, output_dir / file, reference, encoded, tolerance)
        except RefusedError as error:
            results[name] = {"file": file, "refused": str(error)}
        except OSError as error:
            raise UserError(f"--output_dir={output_dir} can't be written ({error.strerror}); give another") from error
        _tell(name, results[name])
    write_text(output_dir / RESULTS, json.dumps(results, indent=2) + "\n")
    return results


def publish(
    emit: Callable[[pathlib.Path], None], path: pathlib.Path, reference: Any, encoded: Sequence[bytes], tolerance: float
) -> dict[str, Any]:
    """Emits an artefact, compares it, and lets it appear at `path` only if it passes.

    Raises:
      RefusedError: it differs from the reference, does not run, or holds an operator that a device's runtime lacks.
    """
    with atomic_path(path) as partial:
        emit(partial)
        if path.suffix == ".tflite" and (flex := [op for op in tflite.operators(partial) if op.startswith("Flex")]):
            raise RefusedError(f"it needs TensorFlow's own operators: {', '.join(flex)}")
        try:
            result = parity.compare(load_predictor(partial), reference, encoded)
        except (RuntimeError, UserError) as error:
            raise RefusedError(f"it does not run: {str(error).splitlines()[0]}") from error
        if failure := result.failure(tolerance, MAX_CHANGED):
            raise RefusedError(failure)
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return {"file": path.name, "bytes": sum(file.stat().st_size for file in files), **dataclasses.asdict(result)}


def make_metadata(image_size: int, record: dict[str, Any]) -> dict[str, Any]:
    """Returns what travels inside every artefact, so that the file alone is enough to use it."""
    return {
        "labels": list(faces.GENDERS),
        "image_size": image_size,
        "threshold": run_folder.THRESHOLD,
        "input": "RGB pixels in [0, 255] of a cropped, upright face",
        "output": "probability of female",
        "note": data_note(record),
        "data": record["data"]["name"],
        "data_sha256": record["data"]["sha256"],
        "version": metadata.version("gender-classifier"),
    }


def _test_faces(record: dict[str, Any], data_dir: str | None, max_faces: int) -> list[bytes]:
    builder = reading.open_built(dataset_names(record)[0], data_dir or record["data_dir"])
    reading.check_split(builder, "test")
    return [example["image"] for example in reading.read_encoded(builder, "test").take(max_faces).as_numpy_iterator()]


def _tell(name: str, result: dict[str, Any]) -> None:
    if "refused" in result:
        log.error("%s: refused, nothing written: %s.", name, result["refused"])
        return
    log.info(
        "%s: %s, %.0f kB; p_female differs from Keras' by %.1e at most, %d of %d labels changed.",
        *(name, result["file"], result["bytes"] / 1000, result["worst_difference"]),
        *(result["labels_changed"], result["n"]),
    )
