"""Claim: a build takes little longer than writing the same files into TFRecords without looking at them.

    python benchmarks/build_rate.py FOLDER [--limit=4000] [--rounds=5]

FOLDER holds faces of UTKFace. The bare writer reads each file and writes its bytes into one TFRecord file; the build
also checks, looks for near duplicates, shuffles and writes features. Prints how many times as long the build takes.
"""

import argparse
import pathlib
import tempfile

from ratios import Ratios, run

BARE = """
import pathlib, sys, time
import tensorflow as tf
begin = time.perf_counter()
with tf.io.TFRecordWriter(sys.argv[2] + "/bare.tfrecord") as writer:
    for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
        feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[path.read_bytes()]))
        writer.write(tf.train.Example(features=tf.train.Features(feature={"image": feature})).SerializeToString())
print(time.perf_counter() - begin)
"""
OURS = """
import sys, time
import tensorflow_datasets as tfds
import gender_tfds.utkface
begin = time.perf_counter()
builder = tfds.builder("utkface", data_dir=sys.argv[2])
builder.download_and_prepare(download_config=tfds.download.DownloadConfig(manual_dir=sys.argv[1]))
print(time.perf_counter() - begin)
"""


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--limit", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=5)
    flags = parser.parse_args()
    ratios = Ratios()
    with tempfile.TemporaryDirectory() as pictures:
        for path in sorted(flags.folder.glob("*.jpg"))[: flags.limit]:
            (pathlib.Path(pictures) / path.name).symlink_to(path.resolve())
        for _ in range(flags.rounds):
            with tempfile.TemporaryDirectory() as output:
                bare, ours = (float(run(code, pictures, output)[3].split()[-1]) for code in (BARE, OURS))
            ratios.add("times a bare TFRecord writer", ours / bare)
    ratios.report()


if __name__ == "__main__":
    main()
