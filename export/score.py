"""Score a folder of pictures: a row for each, in the order of a sorted listing, whatever is wrong with it."""

import collections
import logging
import os
import pathlib
import stat
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import tqdm

from export.predictor import Predictor, decode_all
from export.writers import CsvWriter, read_rows
from gender_tfds.command_line import UserError
from gender_tfds.run_folder import Prediction

log = logging.getLogger(__name__)

SUFFIXES = frozenset(
    [".jpg", ".jpeg", ".jpe", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif", ".heic", ".heif", ".jp2"]
)
_BATCH = 32
_AHEAD = 3  # batches that are read and decoded while one is scored: enough to never wait, few enough to fit


def list_pictures(folder: pathlib.Path) -> list[str]:
    """Returns the pictures below a folder by suffix, as sorted paths relative to it, with `/` between the parts.

    Links to folders are not followed. Files that are no pictures by their suffix are counted in the log.

    Raises:
      UserError: no such folder, it can't be read, or there is no picture in it.
    """
    if not folder.is_dir():
        raise UserError(f"--input={folder} is not a directory; give a folder of pictures")
    found, others = [], 0

    def refuse(error: OSError) -> None:
        raise UserError(
            f"{error.filename} can't be listed ({error.strerror}); make it readable or give another --input"
        )

    for root, _, names in os.walk(folder, onerror=refuse):
        for name in names:
            if pathlib.PurePath(name).suffix.lower() in SUFFIXES:
                found.append(pathlib.Path(root, name).relative_to(folder).as_posix())
            else:
                others += 1
    if not found:
        raise UserError(f"--input={folder} holds no picture; a picture ends in {', '.join(sorted(SUFFIXES))}")
    if others:
        log.info("Files that are no pictures by their suffix, and get no row: %d.", others)
    return sorted(found, key=os.fsencode)


def score_batches(
    predictor: Predictor, folder: pathlib.Path, names: Sequence[str], threads: int
) -> Iterator[list[Prediction]]:
    """Yields the rows of the pictures in order, some at a time; decoding runs in threads beside the model.

    Args:
      predictor: the artefact.
      folder: that `names` are relative to.
      names: of `list_pictures`.
      threads: to read and decode in.
    """
    with ThreadPoolExecutor(threads) as pool:
        starts = iter(range(0, len(names), _BATCH))
        ahead: collections.deque = collections.deque()

        def submit() -> None:
            for start in starts:
                some = names[start : start + _BATCH]
                ahead.append((some, pool.submit(_load, [folder / name for name in some], predictor.image_size)))
                return

        for _ in range(_AHEAD):
            submit()
        while ahead:
            some, future = ahead.popleft()
            images, errors = future.result()
            submit()
            scores = iter(predictor.predict(images) if len(images) else ())
            yield [
                Prediction(name, error=error) if error else Prediction.from_probability(name, float(next(scores)))
                for name, error in zip(some, errors, strict=True)
            ]


def score_folder(predictor: Predictor, folder: pathlib.Path, writer: CsvWriter) -> collections.Counter:
    """Writes a row for each picture below a folder, after those that the writer took over from an interrupted run.

    Returns:
      How many pictures were scored as each gender in this run, and how many `errors` the table holds.

    Raises:
      UserError: the rows taken over are not the beginning of this folder's listing.
    """
    names = list_pictures(folder)
    done = len(writer.done)
    if writer.done != names[:done]:
        raise UserError(
            f"{writer.partial} is of another folder, or --input={folder} has changed since; start again by --overwrite"
        )
    counts: collections.Counter = collections.Counter()
    threads = os.cpu_count() or 1
    with tqdm.tqdm(total=len(names), initial=done, unit=" images", disable=None, desc="Scoring") as bar:
        for predictions in score_batches(predictor, folder, names[done:], threads):
            for prediction in predictions:
                writer.write(prediction)
                counts[prediction.gender or "errors"] += 1
            writer.flush()
            bar.update(len(predictions))
    counts["errors"] = writer.errors
    return counts


def errors_in_complete_table(table: pathlib.Path, folder: pathlib.Path) -> int:
    """Returns how many rows of a finished table hold errors.

    Raises:
      UserError: it is no table of predictions, or not of what is in this folder now.
    """
    rows = read_rows(table)
    if [row[0] for row in rows] != list_pictures(folder):
        raise UserError(
            f"{table} is complete, but of another folder, or --input={folder} has changed since; score it into another"
            " table, or replace this one by --overwrite"
        )
    return sum(bool(row[-1]) for row in rows)


def _load(paths: Sequence[pathlib.Path], image_size: int) -> tuple:
    """Reads and decodes some pictures; see `decode_all`, errors of reading included."""
    contents = [_read(path) for path in paths]
    images, errors = decode_all([content for content in contents if isinstance(content, bytes)], image_size)
    decoded = iter(errors)
    return images, [next(decoded) if isinstance(content, bytes) else content for content in contents]


def _read(path: pathlib.Path) -> bytes | str:
    """Returns the content of a regular file, or why there is none; never waits for a pipe's other end."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return "not a regular file"
        return path.read_bytes()
    except OSError as error:
        return error.strerror or "can't be read"
