"""Claim: a build takes little longer than writing the same files into TFRecords without looking at them.

    python benchmarks/build_rate.py FOLDER [--limit=N] [--rounds=3] [--search]

FOLDER holds faces of UTKFace. The bare writer imports TensorFlow, reads each file and writes its bytes into one
TFRecord file; the build also checks each file, labels, sorts by a hash, writes seven features and cuts shards. All are
processes of their own over the same files, which are read once before. Prints how many times as long the build takes:
the command `tfds build`, which imports TensorFlow for its other subcommands, and a build from Python, which does not,
as a user waits for them and by CPU seconds; and by CPU seconds after the imports of each.
A list of near duplicates is taken as given, as it lies beside UTKFace; with --search they are searched for.
"""

import argparse
import pathlib
import tempfile

from ratios import Ratios, run

BARE = """
import pathlib, sys, time
import tensorflow as tf
tf.io.TFRecordWriter  # TensorFlow imports its parts when they are named
begin = time.process_time()
with tf.io.TFRecordWriter(sys.argv[2] + "/bare.tfrecord") as writer:
    for path in sorted(pathlib.Path(sys.argv[1]).glob("*.jpg")):
        feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[path.read_bytes()]))
        writer.write(tf.train.Example(features=tf.train.Features(feature={"image": feature})).SerializeToString())
print("after imports:", time.process_time() - begin)
"""
COMMAND = """
import sys
from tensorflow_datasets.scripts.cli.main import launch_cli
places = [f"--manual_dir={sys.argv[1]}", f"--data_dir={sys.argv[2]}"]
sys.argv = ["tfds", "build", "utkface", "--imports=gender_tfds.utkface", *places]
launch_cli()
"""
OURS = """
import sys, time
import tensorflow_datasets as tfds
import gender_tfds.utkface
begin = time.process_time()
builder = tfds.builder("utkface", data_dir=sys.argv[2])
builder.download_and_prepare(download_config=tfds.download.DownloadConfig(manual_dir=sys.argv[1]))
print("after imports:", time.process_time() - begin)
"""


def measure(code: str, pictures: str) -> list[float]:
    """Returns wall seconds and CPU seconds of a process, and CPU seconds after its imports if it prints them."""
    with tempfile.TemporaryDirectory() as output:
        wall, cpu, _, printed = run(code, pictures, output)
    told = [line.removeprefix("after imports:") for line in printed.splitlines() if line.startswith("after imports:")]
    return [wall, cpu, *map(float, told)]


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--limit", type=int, help="files; all if left out")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--search", action="store_true", help="search for near duplicates")
    flags = parser.parse_args()
    ratios = Ratios()
    with tempfile.TemporaryDirectory() as pictures:
        for path in sorted(flags.folder.glob("*.jpg"))[: flags.limit]:
            path.read_bytes()
            (pathlib.Path(pictures) / path.name).symlink_to(path.resolve())
        if not flags.search:
            (pathlib.Path(pictures) / "near_duplicates.tsv").write_text("group\tfilename\n")
        for _ in range(flags.rounds):
            bare = measure(BARE, pictures)
            for way, code in (("tfds build", COMMAND), ("from Python", OURS)):
                numbers = zip(("wall", "CPU", "CPU after the imports"), measure(code, pictures), bare, strict=False)
                for name, ours, of_bare in numbers:
                    ratios.add(f"{way}, times a bare TFRecord writer, {name}", ours / of_bare)
    ratios.report()


if __name__ == "__main__":
    main()
