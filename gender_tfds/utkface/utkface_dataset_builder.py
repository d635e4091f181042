"""UTKFace as a TFDS data set; prose and citation stand in README.md and CITATIONS.bib beside this file."""

import csv
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import ClassVar

import tensorflow_datasets as tfds
from absl import logging
from etils import epath

from gender_tfds.command_line import UserError, explain_user_errors
from gender_tfds.duplicates import near_duplicate_groups
from gender_tfds.features import Face, FaceBuilder, by_split, describe
from gender_tfds.utkface import file_names, source

explain_user_errors()

# When this file lies beside the faces, its groups are taken instead of looking for them: columns group, filename.
_GROUPS_FILE = "near_duplicates.tsv"


class Builder(FaceBuilder):
    """Builder of `utkface`."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES: ClassVar[Mapping[str, str]] = {
        "1.0.0": "All faces whose name holds age, gender and ethnicity; ten duplicate-safe folds."
    }
    MANUAL_DOWNLOAD_INSTRUCTIONS = (
        "Without --manual_dir the archive jangedoo/utkface-new is downloaded by kagglehub; with it, the folder given"
        " must be the unpacked archive or its folder UTKFace/."
    )
    # What the complete archive holds. The three names without an ethnicity are skipped, and all say 1.
    EXPECTED: ClassVar[Mapping[str, int]] = {"files": 23708, "male": 12391, "female": 11314}

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict:
        paths = source.pictures(self.manual_dir or source.download())
        labels, skipped = _labels(paths)
        if not labels:
            raise UserError(
                f"none of the {len(paths)} files in {paths[0].parent} has a UTKFace name"
                " (age_gender_race_stamp.jpg.chip.jpg); give the folder of UTKFace's faces with --manual_dir"
            )
        groups = _groups([path for path in paths if path.name in labels])
        found = [
            Face(path.name, path, label.gender, groups.get(path.name, path.name), label.age, label.ethnicity)
            for path in paths
            if (label := labels.get(path.name))
        ]
        metadata = describe(found, skipped)
        metadata["files"] = len(paths)
        metadata["listing_sha256"] = source.listing_hash([path.name for path in paths])
        metadata["near_duplicate_groups"] = sum(size > 1 for size in Counter(face.group for face in found).values())
        self._warn_if_different({"files": len(paths), **metadata["labels"]})
        self.info.metadata.update(metadata)
        return {split: self._generate_examples(members) for split, members in by_split(found).items()}

    def _warn_if_different(self, counts: Mapping[str, int]) -> None:
        different = [
            f"{counts.get(name, 0):,} {name} where the complete UTKFace has {number:,}"
            for name, number in self.EXPECTED.items()
            if counts.get(name, 0) != number
        ]
        if different:
            logging.warning("This is not the complete UTKFace: %s.", "; ".join(different))


def _labels(paths: Sequence[epath.Path]) -> tuple[dict[str, file_names.Labels], Counter]:
    labels, skipped = {}, Counter()
    for path in paths:
        try:
            parsed = file_names.parse(path.name)
        except file_names.BadNameError as reason:
            skipped[str(reason)] += 1
            continue
        # one such file would stop every training on the set
        if source.is_whole_jpeg(path):
            labels[path.name] = parsed
        else:
            skipped["damaged"] += 1
    return labels, skipped


def _groups(paths: Sequence[epath.Path]) -> Mapping[str, str]:
    """Returns the near-duplicate group of each file name: the least name in it."""
    for folder in (paths[0].parent, paths[0].parent.parent):
        if (folder / _GROUPS_FILE).exists():
            rows = csv.DictReader((folder / _GROUPS_FILE).read_text().splitlines(), delimiter="\t")
            if not {"group", "filename"} <= set(rows.fieldnames or ()):
                raise UserError(f"{folder / _GROUPS_FILE} needs the columns group and filename, separated by tabs")
            members: dict[str, list[str]] = {}
            for row in rows:
                members.setdefault(row["group"], []).append(row["filename"])
            logging.info("Took %d near-duplicate groups from %s.", len(members), folder / _GROUPS_FILE)
            return {name: min(names) for names in members.values() for name in names}
    return near_duplicate_groups(paths)
