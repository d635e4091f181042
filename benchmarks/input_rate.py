"""Claim: training reads and decodes faces about as fast as a bare loop, and from its cache many times as fast.

    python benchmarks/input_rate.py DATA_DIR FOLDER [--torch=PYTHON] [--rounds=5]

DATA_DIR holds the built utkface, FOLDER the same pictures. Rates of pictures a second to 96 px, relative to OpenCV's
decode and resize in as many processes as there are cores: an epoch from TFRecords without a cache, shuffled and
batched; one from the cache in memory; with --torch, a Python of an environment that has torch, torchvision and OpenCV,
relative to `torch.utils.data.DataLoader` with as many workers over the files, which read by OpenCV as above, or by
Pillow as torchvision's ImageFolder does.
"""

import argparse
import os
import pathlib

from ratios import Ratios, run

SIZE, LIMIT = 96, 8000
BARE = """
import multiprocessing, os, sys, time
import cv2, numpy as np
cv2.setNumThreads(1)
size = int(sys.argv[2])
def work(files):
    for file in files:
        with open(file, "rb") as opened:
            image = cv2.imdecode(np.frombuffer(opened.read(), np.uint8), cv2.IMREAD_COLOR_RGB)
        cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)
    return len(files)
if __name__ == "__main__":
    files, cores = open(sys.argv[1]).read().split("\\n"), os.cpu_count()
    with multiprocessing.get_context("fork").Pool(cores) as pool:
        pool.map(work, [files[:10]] * cores, chunksize=1)
        begin = time.perf_counter()
        done = sum(pool.map(work, [files[n::cores] for n in range(cores)], chunksize=1))
        print(done / (time.perf_counter() - begin))
"""
OURS = """
import sys, time
from gender_tfds.reading import open_built
from trainer.config import TrainConfig
from trainer.input_pipeline import count_faces, make_train_dataset
config = TrainConfig(image_size=int(sys.argv[2]), cache=sys.argv[3], epochs=2)
builders = [open_built("utkface", sys.argv[1])]
counts = count_faces(builders, config.folds("train"))
faces = sum(counts[0].values())
batches = iter(make_train_dataset(builders, config, counts, counts))
steps, seconds = -(-faces // config.batch_size), []
for epoch in range(2):
    begin = time.perf_counter()
    for _ in range(steps):
        next(batches)
    seconds.append(time.perf_counter() - begin)
print(faces / seconds[1])
"""
TORCH = """
import os, sys, time
import cv2, numpy as np, torch
from torchvision import transforms
from torchvision.datasets.folder import default_loader
cv2.setNumThreads(1)
size, by = int(sys.argv[2]), sys.argv[3]
change = transforms.Compose([transforms.Resize((size, size)), transforms.PILToTensor()])
class Faces(torch.utils.data.Dataset):
    files = open(sys.argv[1]).read().split("\\n")
    def __len__(self):
        return len(self.files)
    def __getitem__(self, index):
        if by == "Pillow":
            return change(default_loader(self.files[index]))
        image = cv2.imdecode(np.fromfile(self.files[index], np.uint8), cv2.IMREAD_COLOR_RGB)
        return torch.from_numpy(cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA))
if __name__ == "__main__":
    workers = os.cpu_count()
    loader = torch.utils.data.DataLoader(Faces(), 64, shuffle=True, num_workers=workers, persistent_workers=True)
    for _ in loader:
        pass
    begin = time.perf_counter()
    for _ in loader:
        pass
    print(len(Faces.files) / (time.perf_counter() - begin))
"""


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data_dir")
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--torch", help="Python of an environment that has torch, torchvision and OpenCV")
    parser.add_argument("--rounds", type=int, default=5)
    flags = parser.parse_args()
    listed = pathlib.Path(os.environ.get("TMPDIR", "/tmp")) / f"input_rate_{os.getpid()}.txt"  # noqa: S108
    ratios, most = Ratios(), 0
    try:
        listed.write_text("\n".join(str(path.resolve()) for path in sorted(flags.folder.glob("*.jpg"))[:LIMIT]))
        for _ in range(flags.rounds):
            bare = float(run(BARE, listed, SIZE)[3])
            *_, memory, rate = run(OURS, flags.data_dir, SIZE, "off")
            ratios.add("an uncached epoch, OpenCV on all cores = 1", float(rate) / bare)
            most = max(most, memory)
            cached = float(run(OURS, flags.data_dir, SIZE, "memory")[3])
            ratios.add("a cached epoch, OpenCV on all cores = 1", cached / bare)
            for by in ("OpenCV", "Pillow") if flags.torch else ():
                theirs = float(run(TORCH, listed, SIZE, by, python=flags.torch)[3])
                ratios.add(f"an uncached epoch, torch's DataLoader by {by} = 1", float(rate) / theirs)
                ratios.add(f"a cached epoch, torch's DataLoader by {by} = 1", cached / theirs)
    finally:
        listed.unlink(missing_ok=True)
    ratios.report()
    print(f"largest memory of an uncached epoch: {most / 1e9:.2f} GB")


if __name__ == "__main__":
    main()
