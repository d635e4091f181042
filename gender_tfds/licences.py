"""The licences of the data, as they bind whoever uses a model that learnt from them."""

import pathlib
from typing import Any

from gender_tfds.packaged_models import DATA, is_packaged
from gender_tfds.saved_run import dataset_name, dataset_names

_LICENCES = {
    "utkface": "UTKFace may be used for non-commercial research only; so may a model trained on it.",
    "fairface": "FairFace is licensed CC BY 4.0: name its authors, Karkkainen and Joo (WACV 2021).",
    "face_folder": "The pictures of face_folder are a user's own: mind their licence.",
    "drawn_faces": "The pictures of drawn_faces carry the licence of this program.",
}


def licences(record: dict[str, Any], *judged: str) -> str:
    """Returns a sentence for each data set that a run was trained or judged on, and for what it began from.

    Args:
      record: content of the run's `config.json`.
      judged: names of data sets.
    """
    settings = record["settings"]
    source, teachers = settings["init_from"] or settings.get("pretrained", "none"), settings.get("teacher") or ()
    packaged = any(is_packaged(other) for other in (source, *teachers))
    names = [dataset_name(name) for name in (*dataset_names(record), *(DATA if packaged else ()), *judged)]
    said = [_LICENCES.get(name, f"Mind the licence of {name}.") for name in dict.fromkeys(names)]
    if source == "imagenet":
        said.append("Training started from ImageNet, whose pictures may be used for non-commercial research only.")
    elif source != "none" and not is_packaged(source):
        # the run and the file; an artefact is no place for a user's folders
        file = "/".join(pathlib.Path(source).parts[-2:])
        said.append(f"Training started from {file}, whose data's licence holds too.")
    if not all(is_packaged(teacher) for teacher in teachers):
        said.append("Another model was its teacher, whose data's licence holds too.")
    return " ".join(said)
