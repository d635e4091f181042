"""The same scoring on Apache Beam: rows in no order, each once, in several files."""

import glob
import logging
import os
import pathlib
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

import apache_beam as beam
from apache_beam.io.filesystems import FileSystems
from apache_beam.options.pipeline_options import PipelineOptions

from export.listing import SUFFIXES, Listing, Picture
from export.looker import Looker
from export.output_path import checked_output
from export.predictor import TFLitePredictor, load_predictor, predictor_of_thread
from export.records import Records, is_parquet, parquet_row, parquet_schema, records_of
from export.score_config import ScoreConfig
from export.scorer import CHUNK, Scorer, read_file
from gender_tfds.pixel_limit import limit_pixels
from gender_tfds.user_error import UserError


def score_on_beam(
    model: pathlib.Path,
    config: ScoreConfig,
    inputs: Sequence[str],
    output: str,
    *,
    runner: str,
    options: Sequence[str] = (),
    follow_links: bool = False,
) -> dict[str, int]:
    """Scores pictures with Beam, into `NAME-00000-of-00004.csv` and so on for the output `NAME.csv`.

    Args:
      model: the artefact. A `.tflite` travels with the job; others must lie where each worker finds them.
      config: how to score.
      inputs: as of `Listing`, on a file system that all workers share; or patterns of a remote one, such as
        `gs://bucket/photos/**.jpg`.
      output: path of the table, local or remote; its suffix is the format.
      runner: Beam's name for the engine, such as `DirectRunner` or `DataflowRunner`.
      options: of the engine, each `name=value` or `name`.
      follow_links: as of `Listing`.

    Returns:
      The engine's counts: `rows` and `errors`.

    Raises:
      UserError: nothing to score, the output is there already or can't be written, the detector's model can't be read,
        or the engine refuses its options.
    """
    path = pathlib.PurePath(output)
    records = records_of(path, config.table_columns())
    # these fail here, with one sentence, and not in a worker
    load_predictor(model)
    Looker(config)
    prefix = output.removesuffix(path.suffix) if "://" in output else _local_prefix(output, path.suffix)
    content = model.read_bytes() if model.suffix == ".tflite" else None
    pipeline = _make_pipeline(runner, options)
    parquet = is_parquet(path)
    score = _Score(model, content, config, None if parquet else records)
    rows = _chunks(pipeline, inputs, follow_links) | beam.ParDo(score)
    if parquet:
        schema = parquet_schema(config.table_columns())
        rows | beam.io.WriteToParquet(prefix, schema, file_name_suffix=path.suffix)
    else:
        rows | beam.io.WriteToText(
            prefix,
            file_name_suffix=path.suffix,
            append_trailing_newlines=False,
            coder=beam.coders.BytesCoder(),
            header=records.header.decode() or None,
        )
    result = pipeline.run()
    result.wait_until_finish()
    counters = result.metrics().query()["counters"]
    return {"rows": 0, "errors": 0} | {one.key.metric.name: one.committed or one.attempted for one in counters}


def _local_prefix(output: str, suffix: str) -> str:
    """Returns what the names of the files begin with; raises UserError if they can't be written or are there."""
    path = checked_output("output", output, suffix.lower())
    # Beam would replace those of an equal number of files, and leave others beside the new ones
    if there := list(path.parent.glob(f"{glob.escape(path.stem)}-[0-9]*-of-[0-9]*{path.suffix}")):
        raise UserError(
            f"--output={output}: files of that table are there already ({len(there)}, the first {min(there)}); remove"
            " them, or give another path"
        )
    return str(path.with_suffix(""))


def _make_pipeline(runner: str, options: Sequence[str]) -> beam.Pipeline:
    logging.getLogger("apache_beam").setLevel(logging.ERROR)  # it tells of every connection
    flags = [f"--{option.removeprefix('--')}" for option in options]
    try:
        return beam.Pipeline(options=PipelineOptions([f"--runner={runner}", *flags]))
    except (ValueError, SystemExit) as error:
        raise UserError(f"--runner={runner} --beam_options={','.join(options)}: {error}") from error


def _chunks(pipeline: beam.Pipeline, inputs: Sequence[str], follow_links: bool) -> beam.PCollection:
    """Returns lists of packed pictures."""
    remote = [one for one in inputs if "://" in one]
    if remote and len(remote) < len(inputs):
        raise UserError(f"{', '.join(inputs)}: with --runner give local inputs or remote patterns, not both")
    if remote:
        return (
            pipeline
            | beam.Create(remote)
            | beam.io.fileio.MatchAll()
            | beam.Filter(_is_picture)
            | beam.Map(lambda metadata: _packed(Picture(metadata.path, metadata.path)))
            | beam.Reshuffle()
            | beam.BatchElements(min_batch_size=1, max_batch_size=CHUNK)
        )
    pictures = [_packed(picture) for picture in Listing(inputs, follow_links=follow_links)]
    chunks = [pictures[start : start + CHUNK] for start in range(0, len(pictures), CHUNK)]
    return pipeline | beam.Create(chunks) | beam.Reshuffle()


class _Score(beam.DoFn):
    """Makes rows, as bytes of a format or as Parquet takes them; loads the model once for each worker's thread."""

    def __init__(
        self, model: pathlib.Path, content: bytes | None, config: ScoreConfig, records: Records | None
    ) -> None:
        super().__init__()
        self._model = model
        self._content = content
        self._config = config
        self._records = records
        self._rows = beam.metrics.Metrics.counter("score", "rows")
        self._errors = beam.metrics.Metrics.counter("score", "errors")

    def setup(self) -> None:
        limit_pixels(self._config.max_pixels)  # of use where this worker has not read a picture before
        if self._content is None:
            of_thread = predictor_of_thread(self._model)
        else:
            with tempfile.NamedTemporaryFile(suffix=".tflite") as file:
                file.write(self._content)
                file.flush()
                predictor = TFLitePredictor(pathlib.Path(file.name), threads=1)
            of_thread = lambda: predictor  # noqa: E731
        self._scorer = Scorer(of_thread, self._config, read=_read_anywhere)

    def process(self, pictures: Sequence[tuple]) -> Iterator[bytes | dict[str, Any]]:
        for rows in self._scorer.score([_unpacked(picture) for picture in pictures]):
            for row in rows:
                self._rows.inc()
                if row.get("error"):
                    self._errors.inc()
                yield self._records.encode([row]) if self._records else parquet_row(row)


# Between two steps Beam's coders take no text that is not UTF-8, which names may be: there it is bytes.


def _packed(picture: Picture) -> tuple[bytes, bytes, str | None]:
    return os.fsencode(picture.name), os.fsencode(picture.path), picture.error


def _unpacked(packed: tuple[bytes, bytes, str | None]) -> Picture:
    name, path, error = packed
    return Picture(os.fsdecode(name), os.fsdecode(path), error)


def _is_picture(metadata: Any) -> bool:
    return pathlib.PurePath(metadata.path).suffix.lower() in SUFFIXES


def _read_anywhere(path: str) -> bytes:
    if "://" not in path:
        return read_file(path)
    try:
        with FileSystems.open(path) as file:
            return file.read()
    except Exception as error:  # each file system has its own
        raise ValueError(str(error)) from error
