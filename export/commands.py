"""The console commands of export: their flags, and nothing that takes long to import."""

import dataclasses
import importlib.util
import logging
import os
import pathlib

from gender_tfds.command_line import FAULT, SOME_ERRORS, Command, UserError, setting
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


@dataclasses.dataclass(frozen=True, kw_only=True)
class ServePolicy:
    """What to serve, where, and within which limits."""

    model: str = setting(dataclasses.MISSING, "a .tflite file, a .keras file, or the folder of a SavedModel")
    host: str = setting("127.0.0.1", "address to listen on; 0.0.0.0 is every one of this machine")
    port: int = setting(8000, "port to listen on; 0 is any free one", lower=0, upper=65535)
    workers: int = setting(1, "processes that serve, each with a model and a queue of its own", lower=1, upper=256)
    max_batch_size: int = setting(32, "pictures that are scored at once", lower=1, upper=1024)
    max_latency_ms: float = setting(2.0, "milliseconds that a picture waits for others", lower=0, upper=1000)
    max_queue: int = setting(256, "pictures that a worker admits before it answers; over it, status 503", lower=1)
    max_body: int = setting(20_000_000, "bytes of a request; over it, status 413", lower=1)
    timeout: float = setting(30.0, "seconds for a request's body to come; over it, status 408", lower=0.1)
    grace_seconds: int = setting(30, "seconds after SIGTERM for what was begun to be finished", lower=0)
    token_file: str | None = setting(
        None, "a file with a token that every request must bear; none is needed if left out"
    )


def _serve(policy: ServePolicy) -> None:
    if importlib.util.find_spec("uvicorn") is None or importlib.util.find_spec("fastapi") is None:
        raise UserError(
            'FastAPI and uvicorn are not installed; install them with pip install "gender-classifier[serve]"'
        )
    from export.serve_process import ServerOptions, serve

    try:
        token = pathlib.Path(policy.token_file).read_text(encoding="utf-8").strip() if policy.token_file else None
    except (OSError, ValueError) as error:
        raise UserError(f"--token_file={policy.token_file} can't be read ({error}); give a file of text") from error
    if token == "":
        raise UserError(f"--token_file={policy.token_file} is empty; write a token into it")
    options = ServerOptions(
        token=token,
        **{
            field.name: getattr(policy, field.name)
            for field in dataclasses.fields(ServerOptions)
            if field.name != "token"
        },
    )
    serve(options, policy.host, policy.port, policy.workers)


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
SERVE = Command(
    name="gender-serve",
    summary="answer pictures over HTTP, in batches; its own interface, TensorFlow Serving's and KServe's",
    example="gender-serve --model=artefacts/model_float32.tflite --port=8000",
    settings=(ServePolicy,),
    main=_serve,
)
export, score, serve = EXPORT.run, SCORE.run, SERVE.run
