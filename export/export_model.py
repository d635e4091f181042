"""Artefacts from a run folder: emit, compare with Keras, publish what passes."""

import dataclasses
import functools
import json
import logging
import os
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from export import onnx_model, parity, saved_model, tflite
from export.metadata import make_metadata
from export.predictor import artefact_bytes, load_predictor
from gender_tfds import reading, run_folder, shards
from gender_tfds.atomic_files import atomic_path, write_text
from gender_tfds.disk_faults import disk_fault
from gender_tfds.folder_lock import locked
from gender_tfds.images_cv import decode_and_resize
from gender_tfds.saved_run import data_folder, dataset_names, load_classifier, load_run
from gender_tfds.user_error import UserError

log = logging.getLogger(__name__)

_EXACT = parity.Tolerance(difference=1e-4, labels_changed=0.005)
_HALF = parity.Tolerance(difference=2e-3, labels_changed=0.005)
_INT8 = parity.Tolerance(difference=0.2, labels_changed=0.015, accuracy_drop=0.005)
# Name -> (emit, name of the file or folder, how far from Keras it may be).
EMITTERS: dict[str, tuple[Callable[..., None], str, parity.Tolerance]] = {
    "saved_model": (saved_model.emit_saved_model, "saved_model", _EXACT),
    "float32": (tflite.emit_tflite, "model_float32.tflite", _EXACT),
    "float16": (tflite.emit_float16, "model_float16.tflite", _HALF),
    "dynamic_int8": (tflite.emit_dynamic_int8, "model_dynamic_int8.tflite", _INT8),
    "int8": (tflite.emit_int8, "model_int8.tflite", _INT8),
    "onnx": (onnx_model.emit_onnx, "model.onnx", _EXACT),
}
CALIBRATION_FACES = 256  # of the training split, by which int8 chooses its ranges
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
      UserError: no run folder, no data, an unknown format or one whose packages are not installed, or an output folder
        that can't be written or in which another command works.
    """
    _check_formats(formats)
    workdir, output_dir = pathlib.Path(workdir).expanduser(), pathlib.Path(output_dir).expanduser()
    record = load_run(workdir)
    model = load_classifier(workdir / run_folder.MODEL)
    encoded, truth = _test_faces(record, data_dir, max_faces)
    reference = parity.reference_probabilities(model, encoded)
    facts = make_metadata(model.input_shape[1], record)
    calibration = _calibration_faces(record, data_dir, model.input_shape[1])
    results = {}
    with locked(output_dir, "--output_dir"):
        for name in formats:
            emit, file, tolerance = EMITTERS[name]
            try:
                emit_model = functools.partial(emit, model, metadata=facts, calibration=calibration)
                results[name] = publish(emit_model, output_dir / file, reference, encoded, tolerance, truth)
            except RefusedError as error:
                results[name] = {"file": file, "refused": str(error)}
            except OSError as error:
                raise UserError(
                    f"--output_dir={output_dir} can't be written ({error.strerror}); give another"
                ) from error
            _tell(name, results[name])
        write_text(output_dir / RESULTS, json.dumps(_earlier(output_dir) | results, indent=2) + "\n")
    return results


def _check_formats(formats: Sequence[str]) -> None:
    if not formats or set(formats) - set(EMITTERS):
        raise UserError(f"--formats={','.join(formats)}: give one or more of {', '.join(EMITTERS)}")
    if "onnx" in formats:
        onnx_model.require_packages()


def publish(
    emit: Callable[[pathlib.Path], None],
    path: pathlib.Path,
    reference: np.ndarray,
    encoded: Sequence[bytes],
    tolerance: parity.Tolerance,
    truth: pd.DataFrame | None = None,
) -> dict[str, Any]:
    """Emits an artefact, compares it, and lets it appear at `path` only if it passes.

    Raises:
      RefusedError: it can't be made, differs from the reference, does not run, or holds an operator that a device's
        runtime lacks.
    """
    with atomic_path(path) as partial:
        try:
            emit(partial)
        except Exception as error:  # a converter raises whatever a layer that it does not know leads to
            if isinstance(error, OSError) or disk_fault(error):
                raise
            reason = (str(error).splitlines() or [type(error).__name__])[0]
            raise RefusedError(f"it can't be made: {reason}") from error
        if path.suffix == ".tflite" and (flex := [op for op in tflite.operators(partial) if op.startswith("Flex")]):
            raise RefusedError(f"it needs TensorFlow's own operators: {', '.join(flex)}")
        try:
            result = parity.compare(load_predictor(partial), reference, encoded, truth)
        except (RuntimeError, UserError) as error:
            raise RefusedError(f"it does not run: {str(error).splitlines()[0]}") from error
        if failure := result.failure(tolerance):
            raise RefusedError(failure)
    return {"file": path.name, "bytes": artefact_bytes(path), **dataclasses.asdict(result)}


def _test_faces(record: dict[str, Any], data_dir: str | None, max_faces: int) -> tuple[list[bytes], pd.DataFrame]:
    builder = reading.open_built(dataset_names(record)[0], data_folder(record, data_dir))
    reading.check_split(builder, "test")
    with shards.told([builder]):
        examples = list(reading.read_encoded(builder, "test").take(max_faces).as_numpy_iterator())
    truth = {name: [int(example[name]) for example in examples] for name in ("label", "age", "ethnicity")}
    return [example["image"] for example in examples], pd.DataFrame(truth)


def _calibration_faces(record: dict[str, Any], data_dir: str | None, size: int) -> np.ndarray:
    """Returns training faces, as many of each data set, uint8 (n, size, size, 3); the records lie shuffled."""
    names = dataset_names(record)
    images = []
    for name in names:
        builder = reading.open_built(name, data_folder(record, data_dir))
        some = reading.read_encoded(builder, "train").take(CALIBRATION_FACES // len(names))
        with shards.told([builder]):
            images += [decode_and_resize(example["image"], size) for example in some.as_numpy_iterator()]
    return np.stack(images)


def _earlier(output_dir: pathlib.Path) -> dict[str, Any]:
    """Returns what is recorded of artefacts that an earlier export published and that are still there."""
    path = output_dir / RESULTS
    try:
        earlier = json.loads(path.read_text()) if path.is_file() else {}
        return {name: of for name, of in earlier.items() if "refused" not in of and (output_dir / of["file"]).exists()}
    except (ValueError, AttributeError, TypeError, KeyError):  # not this program's, or torn: it is written anew
        return {}


def _tell(name: str, result: dict[str, Any]) -> None:
    if "refused" in result:
        log.error("%s: refused, nothing written: %s.", name, result["refused"])
        return
    log.info(
        "%s: %s, %.0f kB, %.2f ms a picture; p_female differs from Keras' by %.1e at most, %.1e in the mean; %d of %d"
        " labels changed; accuracy %.4f, Keras %.4f.%s",
        *(name, result["file"], result["bytes"] / 1000, result["latency_ms"]),
        *(result["worst_difference"], result["mean_difference"], result["labels_changed"], result["n"]),
        *(result["accuracy"]["artefact"], result["accuracy"]["keras"], _worst_slice(result["accuracy"]["slices"])),
    )


def _worst_slice(slices: list[dict[str, Any]]) -> str:
    lost = [one for one in slices if one["artefact"] < one["keras"]]
    return " Most lost in {by} {slice}: {artefact:.4f}, Keras {keras:.4f}.".format(**lost[0]) if lost else ""
