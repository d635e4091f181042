"""What every data set here shares: the feature dict, splits by fold, and records in shards of a few megabytes."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import tensorflow_datasets as tfds
from absl import logging
from etils import epath
from tensorflow_datasets.core.utils import shard_utils

from gender_tfds import faces
from gender_tfds.disk_faults import disk_fault
from gender_tfds.face_listing import Face, FaceListing, FileNames, describe
from gender_tfds.folder_lock import locked
from gender_tfds.records import ordered
from gender_tfds.split_writer import ShardConfig, write_split
from gender_tfds.user_error import UserError, explain_user_errors

explain_user_errors()  # of every builder, in `tfds build`

# in the metadata of a data set that was built by --max_examples_per_split, with its value
PART = "max_examples_per_split"

if TYPE_CHECKING:
    import apache_beam as beam


def face_features() -> tfds.features.FeaturesDict:
    """Returns the schema that every data set here yields."""
    return tfds.features.FeaturesDict(
        {
            "image": tfds.features.Image(shape=(None, None, 3), encoding_format="jpeg"),
            "label": tfds.features.ClassLabel(names=faces.GENDERS),
            "age": np.int32,
            "ethnicity": tfds.features.ClassLabel(names=faces.ETHNICITIES),
            "filename": tfds.features.Text(),
            "group": tfds.features.Text(),
            "fold": np.int32,
        }
    )


class _DownloadConfig(tfds.download.DownloadConfig):
    def get_shard_config(self) -> shard_utils.ShardConfig:
        return ShardConfig(num_shards=self.num_shards)


class FaceBuilder(tfds.core.GeneratorBasedBuilder, skip_registration=True):  # type: ignore[call-arg]
    """Base of the builders here.

    Attributes:
      manual_dir: the folder given by `--manual_dir`, or None; set before `_split_generators` is called. TFDS' own
        `dl_manager.manual_dir` can't tell a folder that was given from its default.
      TITLE: the data set's name in a sentence.
      EXPECTED: counts of the complete data set, of `files` and of labels; other counts are warned of.
      on_beam: whether examples are made and written by Apache Beam; set as `manual_dir` is, by `tfds build
        --beam_pipeline_options`.
      limit: how many examples of each split are made, at most, or None; set as `manual_dir` is.
    """

    manual_dir: epath.Path | None = None
    on_beam: bool = False
    limit: int | None = None
    TITLE: ClassVar[str] = ""
    EXPECTED: ClassVar[Mapping[str, int]] = {}

    def download_and_prepare(self, **options: Any) -> None:
        """Builds the data set as TFDS does, after what a killed build left behind is removed.

        Raises:
          UserError: only a part was built before, by `--max_examples_per_split`; another command is building it; the
            disk is full.
        """
        config = options.get("download_config") or tfds.download.DownloadConfig()
        overwrite = config.download_mode.overwrite_dataset
        if self.is_prepared() and not overwrite:
            held = (self.info.metadata or {}).get(PART)
            if held != config.max_examples_per_split:
                of_each = f"{held} examples of each split" if held else "the whole of it"
                raise UserError(
                    f"{self.data_path} holds {of_each}, not what is asked for now; remove it and build it again"
                )
            super().download_and_prepare(**options)
            return
        folder = self.data_path.parent
        with locked(folder, "data_dir"):
            for path in folder.glob(f"incomplete.*_{self.data_path.name}"):  # TFDS makes a new one each time
                logging.warning("Removing %s, which a killed build left behind.", path)
                path.rmtree()
            try:
                with ordered():
                    super().download_and_prepare(**options)
            except Exception as error:
                if told := disk_fault(error):
                    raise UserError(told) from error
                raise

    def _download_and_prepare(
        self, dl_manager: tfds.download.DownloadManager, download_config: tfds.download.DownloadConfig
    ) -> None:
        if download_config.manual_dir is not None:
            self.manual_dir = epath.Path(download_config.manual_dir).expanduser()
        self.on_beam = bool(download_config.beam_options or download_config.beam_runner)
        self.limit = limit = download_config.max_examples_per_split
        super()._download_and_prepare(dl_manager, _DownloadConfig(**vars(download_config)))
        if limit is not None:  # beside every result from here on
            note = self.info.metadata.get("note", faces.LABEL_NOTE)
            self.info.metadata.update({PART: limit, "note": f"{note} Of the data, {limit} faces a split were built."})

    def _generate_splits(
        self, dl_manager: tfds.download.DownloadManager, download_config: tfds.download.DownloadConfig
    ) -> Sequence[tfds.core.SplitInfo]:
        if self.on_beam or self.info.file_format != tfds.core.FileFormat.TFRECORD:
            return super()._generate_splits(dl_manager, download_config)
        shards = download_config.get_shard_config()
        return [
            write_split(split, examples, self._get_filename_template(split), shards)
            for split, examples in self._split_generators(dl_manager).items()
        ]

    def _info(self) -> tfds.core.DatasetInfo:
        return self.dataset_info_from_configs(
            features=face_features(), supervised_keys=("image", "label"), metadata=tfds.core.MetadataDict()
        )

    def given_folder(self, how_to: str) -> epath.Path:
        """Returns `manual_dir`.

        Args:
          how_to: what to do, the end of a sentence.

        Raises:
          UserError: none was given, or it is no directory.
        """
        if self.manual_dir is None:
            raise UserError(f"{self.name} needs --manual_dir: {how_to}")
        if not self.manual_dir.is_dir():
            raise UserError(f"--manual_dir={self.manual_dir} is not a directory; {how_to}")
        return self.manual_dir

    def splits_of(self, found: FaceListing, skipped: Mapping[str, int], files: FileNames) -> dict:
        """Returns what `_split_generators` is to return for faces in files, and records the counts.

        Args:
          found: the faces, with their groups.
          skipped: how many files and rows were left out, by reason.
          files: names of all files that were looked at.
        """
        counts = describe(found, skipped) | {
            "files": len(files),
            "listing_sha256": files.sha256(),
            "near_duplicate_groups": found.near_duplicate_groups(),
        }
        self._warn_if_different({"files": len(files), **counts["labels"]})
        self.info.metadata.update(counts)
        return {split: self._generate_examples(split, found) for split in found.splits()}

    def _warn_if_different(self, counts: Mapping[str, int]) -> None:
        different = [
            f"{counts.get(name, 0):,} {name} where the complete {self.TITLE} has {number:,}"
            for name, number in self.EXPECTED.items()
            if counts.get(name, 0) != number
        ]
        if different:
            logging.warning("This is not the complete %s: %s.", self.TITLE, "; ".join(different))

    @staticmethod
    def prepare(face: Face) -> Face:
        """Returns the face as it goes into its record, with its picture: what a builder does with one face at a time.

        Called while the records are written, so memory stays flat, however many there are; on Beam, by its workers.
        """
        return face if isinstance(face.image, bytes) else dataclasses.replace(face, image=face.path.read_bytes())

    def _generate_examples(
        self, split: str, found: FaceListing
    ) -> "Iterable[tuple[str, dict[str, Any]]] | beam.PTransform":
        if not self.on_beam:
            return (_keyed(face, self.prepare) for face in found.of_split(split, self.limit))
        import apache_beam as beam

        return beam.Create(list(found.of_split(split, self.limit))) | beam.Reshuffle() | beam.Map(_keyed, self.prepare)


def _keyed(face: Face, prepare: Callable[[Face], Face]) -> tuple[str, dict[str, Any]]:
    return face.filename, prepare(face).example()
