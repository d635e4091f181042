"""Score a stream of pictures: rows in the order of the listing, whatever is wrong with a picture."""

import contextlib
import pathlib
import threading
from collections.abc import Iterator
from typing import Any

import tqdm

from export.listing import Listing, Picture
from export.records import as_unicode, read_table
from export.score_config import ScoreConfig
from export.scorer import CHUNK, Scorer
from export.summary import Summary
from export.writers import StdoutWriter, TableWriter
from gender_tfds.threads import in_threads
from gender_tfds.user_error import UserError


def score_listing(
    scorer: Scorer, listing: Listing, writer: TableWriter | StdoutWriter, threads: int | None = None
) -> Summary:
    """Writes the rows of all pictures of a listing, after those that the writer takes over from an interrupted run.

    Args:
      scorer: makes the rows.
      listing: what to score.
      writer: of the table.
      threads: to work in; one for each processor if None.

    Returns:
      The counts of the whole table.

    Raises:
      UserError: nothing to score, or the rows taken over are not the beginning of this listing.
    """
    summary, pictures = Summary(), iter(listing)
    done = 0
    for rows in writer.taken_over(scorer.config.begins_picture, scorer.config.is_whole_picture):
        _check_next(rows[0], pictures, writer.partial)
        for row in rows:
            summary.add(row)
        done += 1
    with tqdm.tqdm(initial=done, unit=" images", disable=None, desc="Scoring", smoothing=0.05) as bar:
        _count_beside(listing, bar)
        for chunk in in_threads(scorer.score, pictures, CHUNK, threads):
            rows = [row for of_picture in chunk for row in of_picture]
            writer.write(rows)
            for row in rows:
                summary.add(row)
            bar.update(len(chunk))
    return summary


def summarize_complete(table: pathlib.Path, config: ScoreConfig, listing: Listing) -> Summary:
    """Returns the counts of a finished table.

    Raises:
      UserError: it is no table of such columns, or not of what the listing holds now.
    """
    summary, pictures = Summary(), iter(listing)
    for row in read_table(table, config.table_columns()):
        if config.begins_picture(row):
            _check_next(row, pictures, table)
        summary.add(row)
    if next(pictures, None):
        raise _of_another_listing(table)
    return summary


def _check_next(row: dict[str, Any], pictures: Iterator[Picture], table: pathlib.Path) -> None:
    picture = next(pictures, None)
    if picture is None or row["path"] not in (picture.name, as_unicode(picture.name)):
        raise _of_another_listing(table)


def _of_another_listing(table: pathlib.Path) -> UserError:
    return UserError(
        f"{table} is of another folder, or its pictures have changed since; score into another table, or replace this"
        " one by --overwrite"
    )


def _count_beside(listing: Listing, bar: tqdm.tqdm) -> None:
    """Counts the pictures in a thread, so that the bar can tell the time that is left; the scoring does not wait."""
    if bar.disable or not listing.repeatable:
        return

    def count() -> None:
        with contextlib.suppress(UserError):  # which the scoring tells
            bar.total = sum(1 for _ in Listing(listing.inputs, follow_links=listing.follow_links))

    threading.Thread(target=count, daemon=True).start()
