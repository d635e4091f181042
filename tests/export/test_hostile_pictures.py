"""gender-score on pictures that are damaged on purpose: a row each, in bounded memory and time."""

import json
import os
import subprocess
import sys

import PIL.Image
import pytest

from export.records import read_table
from export.score_config import ScoreConfig
from tests.hostile import KINDS, declare, encode, mutated

MOST_MEMORY = 1.5 * 2**30
MOST_SECONDS = 10

# Runs the command; writes its most memory, and the longest work of a processor on a picture.
WATCHED = """
import json, pathlib, sys, time
from gender_tfds.pixel_limit import limit_pixels
limits = [int(flag.partition("=")[2]) for flag in sys.argv if flag.startswith("--max_pixels=")]
for limit in limits:
    limit_pixels(limit)  # as the command does, before anything imports OpenCV
from export import looker
longest = 0.0
whole = looker.Looker.look
def look(self, row, encoded, metadata):
    global longest
    start = time.thread_time()
    try:
        return whole(self, row, encoded, metadata)
    finally:
        longest = max(longest, time.thread_time() - start)
looker.Looker.look = look
from export.commands import score
watch, *argv = sys.argv[1:]
status = score(argv)
peak = [line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")]
pathlib.Path(watch).write_text(json.dumps({"bytes": int(peak[0]) * 1024, "seconds": longest}))
sys.exit(status)
"""


@pytest.fixture
def score(tmp_path):
    """Scores a folder in a process of its own; returns its status, the rows, and what it took."""

    def run(folder, *flags):
        output, watch = tmp_path / f"{folder.name}{len(flags)}.csv", tmp_path / f"{folder.name}.json"
        command = [sys.executable, "-c", WATCHED, watch, folder, f"--output={output}", "--threads=2", *flags]
        env = {name: value for name, value in os.environ.items() if name != "OPENCV_IO_MAX_IMAGE_PIXELS"}
        done = subprocess.run(command, capture_output=True, env=env, check=False)
        assert done.returncode in (0, 3), done.stderr[-2000:]
        assert b"Traceback" not in done.stderr
        rows = list(read_table(output, ScoreConfig(detector=_detector(flags)).table_columns()))
        return done.returncode, rows, json.loads(watch.read_text())

    return run


def _detector(flags):
    return "yunet" if "--detector=yunet" in flags else "none"


def _write(folder, pictures):
    folder.mkdir()
    for name, content in pictures:
        (folder / name).write_bytes(content)
    return folder


def _bombs():
    """Yields pictures of many pixels in small files, a little within the limit and over it."""
    gray = PIL.Image.new("L", (9_400, 9_400), 100)
    yield "fits.png", encode(gray, "PNG")
    yield "fits.gif", encode(gray, "GIF")
    small = PIL.Image.new("L", (128, 128), 100)
    yield "fits.jpg", declare(encode(small, "JPEG"), "JPEG", 9_400, 9_400)
    yield "over, progressive.jpg", declare(encode(small, "JPEG", progressive=True), "JPEG", 12_000, 12_000)
    for kind, suffix in KINDS.items():
        yield f"over{suffix}", declare(encode(small, kind), kind, 12_000, 12_000)


@pytest.mark.parametrize(
    ("number", "flags"),
    [
        pytest.param(300, (), id="crops"),
        pytest.param(40, ("--detector=yunet",), id="photos"),
        pytest.param(300, ("--detector=yunet",), id="more photos", marks=pytest.mark.slow),
    ],
)
def test_mutated_pictures_have_a_row_each_in_bounded_memory_and_time(score, tmp_path, number, flags):
    folder = _write(tmp_path / "mutated", mutated(number))
    status, rows, took = score(folder, *flags)
    assert sorted({row["path"] for row in rows}) == sorted(path.name for path in folder.iterdir())
    assert len(rows) == number or flags
    for row in rows:
        assert bool(row["error"]) != bool(row["gender"])
    bad = [row for row in rows if row["error"]]
    assert status == (3 if bad else 0)
    assert 0.2 * number < len(bad) < number  # some pictures are still ones, most mutations are noticed
    assert took["bytes"] < MOST_MEMORY
    assert took["seconds"] < MOST_SECONDS


@pytest.mark.parametrize("flags", [(), ("--scaled_decoding",)])
def test_pictures_that_unpack_to_much_are_refused_or_fit(score, tmp_path, flags):
    """Those within the limit have a prediction, those over it an error."""
    folder = _write(tmp_path / "bombs", _bombs())
    assert max(path.stat().st_size for path in folder.iterdir()) < 200_000
    _, rows, took = score(folder, *flags)
    errors = {row["path"]: row["error"] for row in rows}
    assert {name for name, error in errors.items() if error} == {name for name in errors if name.startswith("over")}
    assert {error for error in errors.values() if error} == {"more than 89,000,000 pixels"}
    assert took["bytes"] < 2**30  # in one thread, the GIF most of it; all of a picture in float32 would take more
    assert took["seconds"] < MOST_SECONDS


@pytest.mark.slow
def test_the_memory_of_a_picture_without_a_limit_would_be_seen(score, tmp_path):
    folder = _write(tmp_path / "wide", [("wide.png", encode(PIL.Image.new("L", (16_000, 6_000)), "PNG"))])
    (_, refused, limited), (_, read, unlimited) = score(folder), score(folder, "--max_pixels=96000000")
    assert refused[0]["error"] == "more than 89,000,000 pixels"
    assert read[0]["gender"]
    assert unlimited["bytes"] - limited["bytes"] > 0.9 * 3 * 96_000_000
