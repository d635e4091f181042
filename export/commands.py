"""The console commands of export: their flags, and nothing that takes long to import."""

import dataclasses
import logging
import os
import pathlib

from gender_tfds.command_line import FAULT, SOME_ERRORS, Command, setting
from gender_tfds.terminal import without_native_noise

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExportPolicy:
    """What to export, and where to."""

    workdir: str = setting(dataclasses.MISSING, "folder of the run")
    output_dir: str = setting(dataclasses.MISSING, "folder for the artefacts; those of the same formats are replaced")
    formats: tuple[str, ...] = setting(
        ("saved_model", "float32", "float16", "dynamic_int8", "int8"), "artefacts to make, from the default's"
    )
    data_dir: str | None = setting(None, "where `tfds build` put the data set; where the run found its own if left out")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScorePolicy:
    """What to score, and how."""

    model: str = setting(dataclasses.MISSING, "a .tflite file, a .keras file, or the folder of a SavedModel")
    input: str = setting(
        dataclasses.MISSING, "folder of pictures, each a cropped, upright face; read with its subfolders"
    )
    output: str = setting(dataclasses.MISSING, "the .csv file to write")
    resume: bool = setting(False, "go on with an interrupted table; start if there is none")
    overwrite: bool = setting(False, "replace the table")


def _export(policy: ExportPolicy) -> int | None:
    # the converter is TensorFlow's, also for a run that was trained on JAX
    os.environ["KERAS_BACKEND"] = "tensorflow"
    with without_native_noise():
        from export.export_model import export_run

    results = export_run(policy.workdir, policy.output_dir, policy.formats, data_dir=policy.data_dir)
    log.info("Artefacts are in %s.", policy.output_dir)
    return FAULT if any("refused" in result for result in results.values()) else None


def _score(policy: ScorePolicy) -> int | None:
    from export.predictor import identify, load_predictor
    from export.score import errors_in_complete_table, score_folder
    from export.writers import CsvWriter

    output, folder = pathlib.Path(policy.output), pathlib.Path(policy.input)
    if output.is_file() and policy.resume:
        errors = errors_in_complete_table(output, folder)
        log.info("%s is complete; nothing to resume.", output)
        return SOME_ERRORS if errors else None
    predictor = load_predictor(policy.model)
    model = identify(policy.model)
    with CsvWriter(output, resume=policy.resume, overwrite=policy.overwrite, begun_with=model) as writer:
        counts = score_folder(predictor, folder, writer)
        writer.finish()
    told = ", ".join(f"{number:,} {name}" for name, number in sorted(counts.items()))
    log.info("%s: %s. %s", output, told, predictor.note)
    return SOME_ERRORS if counts["errors"] else None


EXPORT = Command(
    name="gender-export",
    summary="make a SavedModel and TFLite files of a run; publish only what answers as the Keras model does",
    example="gender-export --workdir=runs/first --output_dir=artefacts",
    settings=(ExportPolicy,),
    main=_export,
)
SCORE = Command(
    name="gender-score",
    summary="score a folder of face pictures; write a row for each, also for those that can't be read",
    example="gender-score --model=artefacts/model_float32.tflite --input=pictures --output=predictions.csv",
    settings=(ScorePolicy,),
    main=_score,
)
export, score = EXPORT.run, SCORE.run
