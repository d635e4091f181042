"""What a built data set holds: counts, examples, duplicates that disagree, likely label errors."""

import pathlib

import numpy as np
import pandas as pd
import tensorflow_datasets as tfds

from gender_tfds import reading
from gender_tfds.atomic_files import write_text
from gender_tfds.face_slices import BOTH, slice_members
from gender_tfds.faces import ETHNICITIES, GENDERS, SPLIT_FOLDS, UNKNOWN
from trainer.mistakes import read_pictures
from trainer.plots import GALLERY, TRAIN_COLOUR, VALIDATION_COLOUR, plot_gallery, saved_figure

COUNTS, COUNTS_PLOT, EXAMPLES = "counts.csv", "counts_plot.png", "examples.png"
DISAGREEING, DISAGREEING_PICTURE = "disagreeing_duplicates.csv", "disagreeing_duplicates.png"
LABEL_ERRORS, LABEL_ERRORS_PICTURE = "label_errors.csv", "label_errors_{}.png"
_SHEETS = 2  # pictures of likely label errors, of GALLERY faces each
_PAIRS = 15  # pairs of duplicates in a picture
_SIZE = 128  # pixels of a face in a picture


def read_faces(builder: tfds.core.DatasetBuilder) -> pd.DataFrame:
    """Returns a row a face of all splits: `path`, `label`, `age`, `ethnicity`, `group`, `fold`, `split`."""
    rows = []
    for split in (name for name in SPLIT_FOLDS if name in builder.info.splits):
        for example in reading.read_encoded(builder, split).as_numpy_iterator():
            texts = {"path": example["filename"].decode(), "group": example["group"].decode(), "split": split}
            rows.append({**texts, **{name: int(example[name]) for name in ("label", "age", "ethnicity", "fold")}})
    return pd.DataFrame(rows)


def count_faces(faces: pd.DataFrame) -> pd.DataFrame:
    """Returns how many faces there are of each gender, by split, age band and ethnicity: `by`, `group`, the genders."""
    of_split = {("split", split): (faces["split"] == split).to_numpy() for split in faces["split"].unique()}
    groups = {("all", "all"): np.ones(len(faces), bool)} | of_split
    groups |= {key: chosen for key, chosen in slice_members(faces).items() if key[0] != BOTH}
    for name in ("age", "ethnicity"):
        unknown = (faces[name] < 0).to_numpy()
        if unknown.any():
            groups[name, "unknown"] = unknown
    return pd.DataFrame(
        [
            {"by": by, "group": group}
            | {gender: int((faces["label"][chosen] == label).sum()) for label, gender in enumerate(GENDERS)}
            for (by, group), chosen in groups.items()
        ]
    )


def disagreeing_duplicates(faces: pd.DataFrame) -> pd.DataFrame:
    """Returns the faces of those groups of near duplicates that have more than one gender among their labels."""
    several = faces.groupby("group")["label"].transform("nunique") > 1
    return faces[several].sort_values(["group", "label", "path"], ignore_index=True)


def describe(faces: pd.DataFrame) -> str:
    """Returns counts and duplicates, for reading."""
    of_groups = faces.groupby("group")
    several = of_groups.size() > 1
    genders, ages = ((of_groups[name].nunique() > 1).sum() for name in ("label", "age"))
    return (
        f"{count_faces(faces).to_string(index=False)}\n\n{int(several.sum()):,} groups of near duplicates; in"
        f" {int(genders):,} the labels of gender differ, in {int(ages):,} those of age."
    )


def write_overview(
    builder: tfds.core.DatasetBuilder, faces: pd.DataFrame, errors: pd.DataFrame | None, folder: pathlib.Path
) -> None:
    """Writes tables and pictures, and removes those of an earlier overview for which there is nothing now.

    Args:
      builder: of the data set.
      faces: of `read_faces`.
      errors: of `label_errors.find_label_errors`; None if they were not looked for.
      folder: to write into.
    """
    for name in (DISAGREEING_PICTURE, LABEL_ERRORS, *map(LABEL_ERRORS_PICTURE.format, range(1, _SHEETS + 1))):
        (folder / name).unlink(missing_ok=True)
    title = f"{builder.info.full_name}, n = {len(faces):,}"
    counts, disagreeing = count_faces(faces), disagreeing_duplicates(faces)
    write_text(folder / COUNTS, counts.to_csv(index=False))
    write_text(folder / DISAGREEING, disagreeing.to_csv(index=False))
    _plot_counts(faces, folder / COUNTS_PLOT, title)

    examples = _spread(faces)
    pairs = [rows.drop_duplicates("label").head(2) for _, rows in disagreeing.groupby("group")][:_PAIRS]
    wrong = errors.head(_SHEETS * GALLERY) if errors is not None else faces[:0]
    paths = {path for rows in (examples, wrong, *pairs) for path in rows["path"]}
    pictures: dict[str, np.ndarray] = {}
    for split in faces["split"].unique():
        pictures |= read_pictures(builder, split, None, paths, _SIZE)
    texts = [f"{GENDERS[label]}{_age(age)}" for label, age in zip(examples["label"], examples["age"], strict=True)]
    plot_gallery([pictures[path] for path in examples["path"]], texts, folder / EXAMPLES, f"{title}: examples")
    if pairs:
        images = [np.hstack([pictures[path] for path in pair["path"]]) for pair in pairs]
        texts = [" / ".join(GENDERS[label] for label in pair["label"]) for pair in pairs]
        heading = f"{title}: near duplicates whose labels disagree"
        plot_gallery(images, texts, folder / DISAGREEING_PICTURE, heading, columns=3)
    if errors is not None:
        write_text(folder / LABEL_ERRORS, errors.to_csv(index=False))
        for sheet in range(_SHEETS):
            rows = wrong[sheet * GALLERY : (sheet + 1) * GALLERY]
            texts = [
                f"label {GENDERS[label]}, score {score:.2f}"
                for label, score in zip(rows["label"], rows["p_female"], strict=True)
            ]
            heading = f"{title}: likely label errors, from {sheet * GALLERY + 1} on\nlabel, and probability of female"
            images = [pictures[path] for path in rows["path"]]
            plot_gallery(images, texts, folder / LABEL_ERRORS_PICTURE.format(sheet + 1), heading)


def _spread(faces: pd.DataFrame) -> pd.DataFrame:
    """Returns up to 25 faces, evenly spread over genders and ages."""
    ranked = faces.sort_values(["label", "age", "path"], ignore_index=True)
    return ranked.iloc[np.unique(np.linspace(0, len(ranked) - 1, GALLERY).round().astype(int))]


def _age(age: int) -> str:
    return f", {age} years" if age >= 0 else ""


def _plot_counts(faces: pd.DataFrame, path: pathlib.Path, title: str) -> None:
    with saved_figure(path, figsize=(11, 4.5)) as figure:
        figure.suptitle(title)
        splits, ages, groups = figure.subplots(1, 3, width_ratios=(1, 2, 1.5))
        colours = (TRAIN_COLOUR, VALIDATION_COLOUR)
        of_gender = [faces[faces["label"] == label] for label in range(len(GENDERS))]
        names = list(faces["split"].unique())
        there = set(faces["ethnicity"])
        ethnicities = {n: name for n, name in (*enumerate(ETHNICITIES), (UNKNOWN, "unknown")) if n in there}
        places = {"split": (splits, dict(zip(names, names, strict=True))), "ethnicity": (groups, ethnicities)}
        for number, (rows, gender, colour) in enumerate(zip(of_gender, GENDERS, colours, strict=True)):
            for column, (axes, labels) in places.items():
                counts = rows[column].value_counts().reindex(list(labels), fill_value=0)
                axes.bar(np.arange(len(labels)) + 0.4 * number - 0.2, counts, 0.4, color=colour, label=gender)
                axes.set_xticks(range(len(labels)), labels.values(), rotation=45, ha="right")
                axes.set(xlabel=column, ylabel="faces")
        ages.set(xlabel="age in years", ylabel="faces")
        known = [rows["age"][rows["age"] >= 0] for rows in of_gender]
        if any(map(len, known)):
            ages.hist(known, bins=range(0, 121, 5), stacked=True, color=colours, label=GENDERS)
        else:
            ages.set_axis_off()
            ages.text(0.5, 0.5, "no age is known", ha="center", va="center", transform=ages.transAxes)
        splits.legend()
