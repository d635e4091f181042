"""Claim: ten times the pictures take ten times the time and no more memory: building, training input, scoring.

    python benchmarks/scale.py [--part=build|duplicates|input|score] [--records=500000] [--folder=FOLDER]

The pictures are hard links to 64 drawn faces, under names of UTKFace, in FOLDER, which is kept; a temporary folder if
left out. Each part works in a process of its own, which tells records, CPU seconds and memory at each tenth:
- build: `tfds build utkface` of so many pictures. Builds of a tenth, two, five and ten tenths, less what a build of a
  hundredth takes, its start. Groups of near duplicates are read from a list, for copies would all be one group;
- duplicates: the search for them, as in build, on drawn hashes that are as much alike as those of faces;
- input: batches to train on, 64 pixels, from the built records, no cache, shuffled; as many epochs as it takes;
- score: gender-score's engine with the packaged model `device`, one thread, from the folder's listing to a CSV.
Prints the time of a picture in each part of the way, the first tenth's = 1, and memory at its end. What follows for
100 million pictures and more stands in scale.md.
"""

import argparse
import itertools
import os
import pathlib
import tempfile

from ratios import run

NAMES = "{age}_{gender}_{race}_{number:017d}.jpg.chip.jpg"
DIFFERENT = 64  # a file has at most 65,000 hard links
MARKS = """
import sys, time
def memory():
    lines = dict(line.split(":", 1) for line in open("/proc/self/status"))
    return [int(lines[name].split()[0]) // 1024 for name in ("VmRSS", "VmHWM")]
def mark(records):
    print(records, time.process_time(), *memory(), flush=True)
"""
BUILD = """
import logging
import tensorflow_datasets as tfds
import gender_tfds.utkface
builder = tfds.builder("utkface", data_dir=sys.argv[2])
builder.download_and_prepare(download_config=tfds.download.DownloadConfig(manual_dir=sys.argv[1]))
mark(sum(split.num_examples for split in builder.info.splits.values()))
"""
DUPLICATES = """
import numpy as np
from gender_tfds.duplicates import close_pairs
# two faces agree in a band of ten places as often as if each place had this probability: measured on UTKFace
hashes = np.random.default_rng(0).integers(0, 256, (int(sys.argv[1]), 256), np.uint8) < 0.714 * 256
copies = len(hashes) // 10
hashes[-copies:] = hashes[:copies]
mark(0)
if len(close_pairs(hashes)) != copies:
    sys.exit("near duplicates were missed")
mark(len(hashes))
"""
INPUT = """
import itertools
from gender_tfds.reading import open_built
from trainer.config import TrainConfig
from trainer.input_pipeline import count_faces, make_train_dataset
records = int(sys.argv[2])
builders = [open_built("utkface", sys.argv[1])]
config = TrainConfig(cache="off")
counts = count_faces(builders, config.folds("train"))
epochs = range(-(-records // sum(counts[0].values())))
seen, tenth, batches = 0, 0, iter(make_train_dataset(builders, config, counts, counts, epochs=epochs))
for images, _ in batches:
    if not seen:
        mark(0)  # the shuffle buffer is full
    seen += len(images)
    if seen * 10 // records > tenth:
        tenth = seen * 10 // records
        mark(seen)
        if tenth == 10:
            break
"""
SCORE = """
import pathlib, threading
from export.listing import Listing
from export.packaged import model_path
from export.predictor import predictor_of_thread
from export.score import score_listing
from export.score_config import ScoreConfig
from export.scorer import Scorer
from export.writers import TableWriter
records = int(sys.argv[2])
class Marking(Scorer):
    seen = tenth = 0
    def score(self, pictures):
        if not self.seen:
            mark(0)
        rows = super().score(pictures)
        self.seen += len(pictures)
        if self.seen * 10 // records > self.tenth:
            self.tenth = self.seen * 10 // records
            mark(self.seen)
        return rows
config = ScoreConfig()
with TableWriter(pathlib.Path(sys.argv[3]), config.table_columns(), overwrite=True) as writer:
    scorer = Marking(predictor_of_thread(model_path("device")), config)
    score_listing(scorer, Listing([sys.argv[1]]), writer, threads=1)
    writer.finish()
"""


def link_pictures(folder: pathlib.Path, records: int) -> None:
    """Fills a folder with hard links to a few drawn faces until it holds so many; and a list without groups beside."""
    from gender_tfds.drawn_faces.picture import encode_face

    (folder / "UTKFace").mkdir(parents=True, exist_ok=True)
    (folder / "near_duplicates.tsv").write_text("group\tfilename\n")
    faces = folder / "drawn"
    faces.mkdir(exist_ok=True)
    for number in range(DIFFERENT):
        (faces / f"{number}.jpg").write_bytes(encode_face(number))
    for number in range(sum(1 for _ in os.scandir(folder / "UTKFace")), records):
        name = NAMES.format(age=number % 90, gender=number % 2, race=number % 5, number=number)
        os.link(faces / f"{number % DIFFERENT}.jpg", folder / "UTKFace" / name)


def measure(code: str, *arguments: object) -> list[tuple[int, float, int, int]]:
    """Runs code in a process of its own; returns its marks: records, CPU seconds, MB now, MB at most."""
    printed = run(MARKS + code, *arguments)[3]
    marks = [line.split() for line in printed.splitlines() if line[:1].isdigit()]
    return [(int(records), float(seconds), int(now), int(most)) for records, seconds, now, most in marks]


def grown(records: int) -> list[int]:
    """Returns the numbers of records that a part without marks on its way is run with."""
    return [records * tenths // 10 for tenths in (1, 2, 5, 10)]


def build(folder: pathlib.Path, records: int) -> list[tuple[int, float, int, int]]:
    """Returns the marks of builds of growing sets; the last set stays."""
    marks = []
    for size in [records // 100, *grown(records)]:
        (folder / "data" / "utkface").mkdir(parents=True, exist_ok=True)
        for path in sorted((folder / "data").rglob("*"), reverse=True):  # the smaller set
            path.rmdir() if path.is_dir() else path.unlink()
        link_pictures(folder, size)
        marks += measure(BUILD, folder, folder / "data")
        show(marks[-1])
    return marks


def duplicates(folder: pathlib.Path, records: int) -> list[tuple[int, float, int, int]]:
    """Returns the marks of searches in growing sets, less what was used before each."""
    marks = [(0, 0.0, 0, 0)]
    for size in grown(records):
        (_, begin, *_), (_, end, now, most) = measure(DUPLICATES, size)
        marks.append((size, end - begin, now, most))
        show(marks[-1])
    return marks


def read_input(folder: pathlib.Path, records: int) -> list[tuple[int, float, int, int]]:
    """Returns the marks of a training's input from the set that `build` left."""
    if not (folder / "data" / "utkface").is_dir():
        build(folder, records)
    return measure(INPUT, folder / "data", records)


def score(folder: pathlib.Path, records: int) -> list[tuple[int, float, int, int]]:
    """Returns the marks of a scoring."""
    link_pictures(folder, records)
    return measure(SCORE, folder / "UTKFace", records, folder / "scores.csv")


PARTS = {"build": build, "duplicates": duplicates, "input": read_input, "score": score}


def show(mark: tuple[int, float, int, int]) -> None:
    """Prints a mark."""
    print("{:>9,} pictures: {:.1f} CPU seconds, {} MB now, {} MB at most".format(*mark), flush=True)


def report(part: str, marks: list[tuple[int, float, int, int]]) -> None:
    """Prints what the claim is about."""
    slopes = [(after[1] - before[1]) / (after[0] - before[0]) for before, after in itertools.pairwise(marks)]
    relative = ", ".join(f"{slope / slopes[0]:.3g}" for slope in slopes)
    print(f"{part}: {1 / slopes[0]:,.0f} pictures a CPU second at first; time of a picture by parts: {relative}")
    print(f"{part}: MB at most by parts: {', '.join(str(mark[3]) for mark in marks[1:])}", flush=True)


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=PARTS, help="one of them; all if left out")
    parser.add_argument("--records", type=int, default=500_000, help="pictures (%(default)s)")
    parser.add_argument("--folder", type=pathlib.Path, help="for pictures, records and scores; kept")
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = (flags.folder or pathlib.Path(temporary)).absolute()
        for part in [flags.part] if flags.part else PARTS:
            marks = PARTS[part](folder, flags.records)
            if part in ("input", "score"):
                for mark in marks:
                    show(mark)
            report(part, marks)


if __name__ == "__main__":
    main()
