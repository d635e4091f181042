"""Claim: class weights, over- and undersampling raise the recall of a class that is rare in training.

    python benchmarks/balance.py DATA_DIR [--epochs=10]

Takes UTKFace, built in DATA_DIR, keeps one woman in five of the training and validation faces, trains the seed recipe
without and with each remedy, and prints the recall of each class on all test faces.
"""

import argparse
import pathlib
import tempfile
from collections.abc import Iterator

import tensorflow_datasets as tfds

from gender_tfds import faces, reading
from gender_tfds.face_listing import Face, FaceListing
from gender_tfds.features import FaceBuilder
from trainer.config import TrainConfig
from trainer.train import train_and_evaluate

RATIO = 5


class UtkfaceThinned(FaceBuilder):
    """UTKFace with one woman in `RATIO` in training and validation."""

    name = "utkface_thinned"
    VERSION = tfds.core.Version("1.0.0")
    source: tfds.core.DatasetBuilder

    def _info(self) -> tfds.core.DatasetInfo:
        return tfds.core.DatasetInfo(builder=self, features=self.source.info.features)

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict:
        found = FaceListing(face for split in faces.SPLIT_FOLDS for face in self._faces(split))
        return {split: self._generate_examples(split, found) for split in found.splits()}

    def _faces(self, split: str) -> Iterator[Face]:
        women = 0
        for example in reading.read_encoded(self.source, split).as_numpy_iterator():
            women += example["label"]
            if split == "test" or not example["label"] or women % RATIO == 0:
                names = {name: example[name].decode() for name in ("filename", "group")}
                numbers = {name: int(example[name]) for name in ("label", "age", "ethnicity")}
                yield Face(image=example["image"], **names, **numbers)


def main() -> None:
    """Builds, trains, prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data_dir")
    parser.add_argument("--epochs", type=int, default=10)
    flags = parser.parse_args()
    UtkfaceThinned.source = reading.open_built("utkface", flags.data_dir)
    with tempfile.TemporaryDirectory() as folder:
        UtkfaceThinned(data_dir=folder).download_and_prepare()
        for balance in ("none", "class_weights", "oversample", "undersample"):
            config = TrainConfig(dataset=UtkfaceThinned.name, epochs=flags.epochs, balance=balance)
            numbers = train_and_evaluate(config, folder, pathlib.Path(folder) / balance)
            recalls = ", ".join(f"{gender} {numbers[f'recall_{gender}']:.3f}" for gender in faces.GENDERS)
            print(
                f"{balance:14} recall {recalls}; balanced accuracy {numbers['balanced_accuracy']:.3f}, accuracy"
                f" {numbers['accuracy']:.3f}, area under the ROC {numbers['roc_auc']:.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
