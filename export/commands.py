"""The console commands of export: their flags, and nothing that takes long to import."""

import dataclasses
import json
import logging
import os
import pathlib
import sys
from typing import TYPE_CHECKING

from export.output_path import checked_output
from export.packaged import DEFAULT, MODEL_KINDS, model_path
from export.score_config import ScoreConfig
from gender_tfds.command_line import FAULT, SOME_ERRORS, Command
from gender_tfds.field_flags import setting
from gender_tfds.pixel_limit import limit_pixels
from gender_tfds.terminal import without_native_noise
from gender_tfds.user_error import UserError

if TYPE_CHECKING:
    from export.summary import Summary

log = logging.getLogger(__name__)

STDOUT = "-"  # as --output


@dataclasses.dataclass(frozen=True, kw_only=True)
class ExportPolicy:
    """What to export, and where to."""

    workdir: str | None = setting(None, "folder of the run")
    output_dir: str | None = setting(None, "folder for the artefacts; those of the same formats are replaced")
    formats: tuple[str, ...] = setting(
        ("saved_model", "float32", "float16", "dynamic_int8", "int8"), "artefacts to make: of the default's, and onnx"
    )
    data_dir: str | None = setting(None, "where `tfds build` put the data set; where the run found its own if left out")
    describe: str | None = setting(
        None, "print what an artefact, or a packaged model, says of itself, as JSON, and export nothing"
    )


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScorePolicy:
    """What to score, with what, and where to."""

    inputs: tuple[str, ...] = setting(
        (),
        "directories of pictures, read with their subfolders; pictures; .txt files with a path a line; patterns such as"
        " 'photos/*.jpg'; or - for paths on standard input",
        positional=True,
    )
    model: str = setting(DEFAULT, MODEL_KINDS)
    input: str | None = setting(None, "one more INPUT, for names that begin with a dash")
    output: str = setting(STDOUT, "the .csv, .jsonl or .parquet file to write; - prints CSV")
    resume: bool = setting(False, "go on with an interrupted table; start if there is none")
    overwrite: bool = setting(False, "replace the table")
    follow_links: bool = setting(False, "read links that lead out of a directory, and links to folders")
    threads: int = setting(0, "to work in; 0 is one for each processor", lower=0)
    runner: str | None = setting(
        None,
        "score on Apache Beam with this runner, such as DirectRunner or DataflowRunner; --output becomes several files",
    )
    beam_options: tuple[str, ...] = setting((), "options of the runner, such as direct_num_workers=2")
    summary: bool = setting(False, "print how many faces were predicted what, and errors by reason")
    annotated_dir: str | None = setting(None, "folder for copies of the photos with boxes and labels; with --detector")
    histogram: str | None = setting(None, "a .png file for a histogram of the probabilities")


def _export(policy: ExportPolicy) -> int | None:
    if policy.describe:
        from export.predictor import load_predictor

        print(json.dumps(load_predictor(model_path(policy.describe)).metadata, indent=2))
        return None
    if not policy.workdir or not policy.output_dir:
        missing = "output_dir" if policy.workdir else "workdir"
        raise UserError(f"--{missing} is required, unless --describe is given; gender-export --help tells")
    from gender_tfds.saved_run import load_run

    load_run(pathlib.Path(policy.workdir).expanduser())  # a mistake is told before ten seconds of imports
    # the converter is TensorFlow's, also for a run that was trained on JAX
    os.environ["KERAS_BACKEND"] = "tensorflow"
    with without_native_noise():
        from export.export_model import export_run

    results = export_run(policy.workdir, policy.output_dir, policy.formats, data_dir=policy.data_dir)
    log.info("Artefacts are in %s.", policy.output_dir)
    refused = sum("refused" in result for result in results.values())
    if not refused:
        return None
    return SOME_ERRORS if refused < len(results) else FAULT


def _score(policy: ScorePolicy, config: ScoreConfig) -> int | None:
    _check_flags(policy, config)
    inputs = [*policy.inputs, *([policy.input] if policy.input else [])]
    if not inputs:
        raise UserError(
            "INPUTS is required: a directory of pictures, a picture, a .txt file with paths, a pattern, or -"
        )
    if policy.histogram:
        checked_output("histogram", policy.histogram, ".png")
    limit_pixels(config.max_pixels)
    if policy.runner:
        return _score_on_beam(policy, config, inputs, policy.runner)
    return _score_here(policy, config, inputs)


def _check_flags(policy: ScorePolicy, config: ScoreConfig) -> None:
    """Raises UserError for a flag that would do nothing beside the others."""
    config.checked()
    if policy.annotated_dir and not config.finds_faces:
        raise UserError(
            f"--annotated_dir={policy.annotated_dir} shows the faces that a detector finds: give --detector"
        )
    if policy.beam_options and not policy.runner:
        raise UserError(f"--beam_options={','.join(policy.beam_options)} are options of a --runner: give one")
    for name in ("resume", "overwrite"):
        if getattr(policy, name) and policy.output == STDOUT and not policy.runner:
            raise UserError(f"--{name} is for a table in a file, not for standard output: give --output")


def _score_here(policy: ScorePolicy, config: ScoreConfig, inputs: list[str]) -> int | None:
    from export.listing import Listing
    from export.predictor import identify, loader_of, predictor_of_thread
    from export.score import score_listing, summarize_complete
    from export.scorer import Scorer
    from export.writers import StdoutWriter, TableWriter, partial_of

    model = model_path(policy.model)
    loader_of(model)  # a mistake is told of a complete table too
    listing, columns = Listing(inputs, follow_links=policy.follow_links), config.table_columns()
    output = pathlib.Path(policy.output)
    if policy.output != STDOUT and policy.resume and output.is_file() and not partial_of(output).exists():
        summary = summarize_complete(output, config, listing)
        log.info(
            "%s is complete; nothing to resume. It does not tell which model and settings made it: --overwrite makes"
            " it anew.",
            output,
        )
        return _finish(policy, summary)
    annotated = pathlib.Path(policy.annotated_dir) if policy.annotated_dir else None
    if annotated:
        from export.annotate import check_copies

        check_copies(annotated, listing)
    of_thread = predictor_of_thread(model)
    begun_with = " ".join([identify(model), *config.flags()])
    writer = (
        StdoutWriter(columns)
        if policy.output == STDOUT
        else TableWriter(
            output,
            columns,
            resume=policy.resume,
            overwrite=policy.overwrite,
            begun_with=begun_with,
            inputs=listing.real_inputs,
        )
    )
    with writer:
        scorer = Scorer(of_thread, config, annotated_dir=annotated)
        summary = score_listing(scorer, listing, writer, policy.threads or None)
        writer.finish()
    if listing.others:
        log.info("Files that are no pictures by their suffix, and get no row: %d.", listing.others)
    if listing.links:
        log.info("Links to folders, which are not followed without --follow_links: %d.", listing.links)
    log.info("%s: %s. %s", "Scored" if policy.output == STDOUT else output, summary.line(), of_thread().note)
    return _finish(policy, summary)


def _score_on_beam(policy: ScorePolicy, config: ScoreConfig, inputs: list[str], runner: str) -> int | None:
    for name in ("resume", "overwrite", "threads", "summary", "histogram", "annotated_dir"):
        if getattr(policy, name):
            raise UserError(f"--{name} is not for --runner: the engine begins, retries and divides the work itself")
    if policy.output == STDOUT:
        raise UserError(
            "--output is required with --runner: a .csv, .jsonl or .parquet path, which becomes several files"
        )
    from export.score_beam import score_on_beam

    counts = score_on_beam(
        model_path(policy.model),
        config,
        inputs,
        policy.output,
        runner=runner,
        options=policy.beam_options,
        follow_links=policy.follow_links,
    )
    log.info("%s in several files: %d rows, %d with errors.", policy.output, counts["rows"], counts["errors"])
    return SOME_ERRORS if counts["errors"] else None


def _finish(policy: ScorePolicy, summary: "Summary") -> int | None:
    if policy.summary:
        print(summary.table(), file=sys.stderr if policy.output == STDOUT else sys.stdout)
    if policy.histogram:
        total = sum(summary.genders.values())
        summary.plot(pathlib.Path(policy.histogram), f"{policy.model} on {total:,} faces")
    return SOME_ERRORS if summary.errors else None


def _resumable(policy: ScorePolicy, config: ScoreConfig) -> bool:
    from export.writers import partial_of

    if policy.output == STDOUT or policy.runner:
        return False
    # a replacement of which no row is there is begun again: --resume would take the old table for the whole new one
    return not policy.overwrite or partial_of(pathlib.Path(policy.output)).exists()


EXPORT = Command(
    name="gender-export",
    summary="make a SavedModel and TFLite files of a run; publish only what answers as the Keras model does",
    example="gender-export --workdir=runs/first --output_dir=artefacts",
    settings=(ExportPolicy,),
    main=_export,
)
SCORE = Command(
    name="gender-score",
    summary="score face pictures; write a row for each, also for those that can't be read",
    example="gender-score photos --output=predictions.csv --summary",
    settings=(ScorePolicy, ScoreConfig),
    main=_score,
    resumable=_resumable,
)
export, score = EXPORT.run, SCORE.run
