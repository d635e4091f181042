"""One self-contained page about a run, and its model card, both filled from what was measured."""

import base64
import html
import json
import pathlib
from typing import Any

import pandas as pd

from gender_tfds import run_folder
from gender_tfds.saved_run import dataset_names

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; color: #1b1b1b;
       background: #fff; }
h1, td.fact { overflow-wrap: anywhere; }
img { max-width: 100%; height: auto; background: #fff; }
div.wide { overflow-x: auto; }
table { border-collapse: collapse; }
td, th { padding: .2rem .7rem .2rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid #8884; }
@media (prefers-color-scheme: dark) { body { color: #eee; background: #161616; } }
"""
_SHOWN = ("accuracy", "balanced_accuracy", "accuracy_over_3_years", "roc_auc", "log_loss", "brier_score")
_LICENCES = {
    "utkface": "UTKFace may be used for non-commercial research only; so may a model trained on it.",
    "fairface": "FairFace is licensed CC BY 4.0: name its authors, Karkkainen and Joo (WACV 2021).",
    "face_folder": "The pictures of face_folder are a user's own: mind their licence.",
    "drawn_faces": "The pictures of drawn_faces carry the licence of this program.",
}


def make_report(
    record: dict[str, Any],
    numbers: dict[str, Any],
    slices: pd.DataFrame,
    workdir: pathlib.Path,
    folder: pathlib.Path,
) -> str:
    """Returns an HTML page that holds its pictures and asks the network for nothing.

    Args:
      record: content of `config.json`.
      numbers: content of `metrics.json`.
      slices: content of `slices.csv`.
      workdir: the run folder, with the pictures of training.
      folder: with the pictures of this judgement.
    """
    title = f"{record['settings']['model']} on {numbers['dataset']}, split {numbers['split']}"
    measured = {name: f"{numbers[name]:.4f}" for name in _SHOWN if name in numbers}
    low, high = numbers["accuracy_interval"]
    measured["accuracy"] += f" (95 % interval {low:.4f} to {high:.4f})"
    parts = [
        f"<h1>{html.escape(title)}</h1>",
        f"<p>{html.escape(numbers['note'])} {html.escape(_licences(record, numbers))}</p>",
        f"<h2>Numbers</h2>{_facts({'faces': numbers['n'], **measured, 'worst slice': _worst(numbers)})}",
        "<h2>Slices</h2>" + _slices(slices),
        _picture(folder / run_folder.CONFUSION_MATRIX, "Confusion matrix"),
        _picture(folder / run_folder.SAMPLE_PREDICTIONS, "Sample predictions"),
        _picture(workdir / run_folder.ACCURACY_PLOT, "Accuracy over the epochs of training"),
        _picture(workdir / run_folder.LOSS_PLOT, "Loss over the epochs of training"),
        _picture(workdir / run_folder.TRAIN_BATCH, "Training faces after augmentation"),
        _picture(workdir / run_folder.MODEL_PLOT, "Model"),
        f"<h2>Settings</h2>{_facts(record['settings'])}",
        f"<h2>Data</h2>{_facts(record['data'])}",
        f"<h2>Environment</h2>{_facts({k: v for k, v in record.items() if k not in ('settings', 'data')})}",
    ]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{html.escape(title)}</title><style>{_STYLE}</style></head>\n<body>\n"
        + "\n".join(part for part in parts if part)
        + "\n</body></html>\n"
    )


def make_model_card(record: dict[str, Any], numbers: dict[str, Any], slices: pd.DataFrame) -> str:
    """Returns a model card in Markdown with Hugging Face's front matter. Arguments as for `make_report`."""
    low, high = numbers["accuracy_interval"]
    return f"""---
library_name: keras
pipeline_tag: image-classification
tags: [perceived-gender, face]
datasets: [{", ".join(dataset_names(record))}]
license: other
metrics: [accuracy]
---
# {record["settings"]["model"]} on {numbers["dataset"]}

{numbers["note"]} {_licences(record, numbers)}

**Input:** a cropped, upright face, RGB, {record["settings"]["image_size"]} × {record["settings"]["image_size"]} pixels
in [0, 255]. **Output:** probability of female, in [0, 1].

```python
import keras

model = keras.models.load_model("{run_folder.MODEL}")
predictions = model.predict(images)  # (n, {record["settings"]["image_size"]}, {record["settings"]["image_size"]}, 3)
labels = (predictions > 0.5).astype(int)  # 0 = male, 1 = female
```

## Measured

Accuracy **{numbers["accuracy"]:.4f}** (95 % interval {low:.4f} to {high:.4f}) on {numbers["n"]:,} faces of
{numbers["dataset"]}, split `{numbers["split"]}`. Worst slice of 30 faces or more: {_worst(numbers)}.

{_markdown_table(_slice_table(slices))}

## Use

For research and teaching on image classification. Not for decisions about a person, not to tell anybody's identity,
not for surveillance.

Trained by `{record["command"]}`, data fingerprint `{record["data"]["sha256"]}`.
"""


def _licences(record: dict[str, Any], numbers: dict[str, Any]) -> str:
    """Returns a sentence for each data set that the run was trained or judged on, and one for what it started from."""
    names = dict.fromkeys([*dataset_names(record), numbers["dataset"].partition("/")[0]])
    said = [_LICENCES.get(name, f"Mind the licence of {name}.") for name in names]
    settings = record["settings"]
    source = settings["init_from"] or settings.get("pretrained", "none")
    if source == "imagenet":
        said.append("Training started from ImageNet, whose pictures may be used for non-commercial research only.")
    elif source != "none":
        said.append(f"Training started from {source}, whose data's licence holds too.")
    return " ".join(said)


def _worst(numbers: dict[str, Any]) -> str:
    worst = numbers["worst_slice"]
    if not worst:
        return "none is known (no ages or ethnicities, or too few faces)"
    return f"{worst['by']} {worst['slice']}, accuracy {worst['accuracy']:.4f} on {worst['n']} faces"


def _slice_table(slices: pd.DataFrame) -> pd.DataFrame:
    table = slices.copy()
    for name in ("accuracy", "low", "high"):
        table[name] = table[name].map("{:.4f}".format)
    table["ranked"] = table["ranked"].map({True: "yes", False: "no, too few faces"})
    return table


def _slices(slices: pd.DataFrame) -> str:
    if slices.empty:
        return "<p>The data set gives neither age nor ethnicity.</p>"
    return f'<div class="wide">{_slice_table(slices).to_html(index=False, border=0)}</div>'


def _markdown_table(table: pd.DataFrame) -> str:
    if table.empty:
        return "The data set gives neither age nor ethnicity, so there are no slices."
    rows = [table.columns, ["---"] * len(table.columns), *table.itertuples(index=False)]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in rows)


def _facts(facts: dict[str, Any]) -> str:
    rows = "".join(
        f"<tr><th>{html.escape(str(name).replace('_', ' '))}</th>"
        f'<td class="fact">{html.escape(value if isinstance(value, str) else json.dumps(value))}</td></tr>'
        for name, value in facts.items()
    )
    return f'<div class="wide"><table>{rows}</table></div>'


def _picture(path: pathlib.Path, title: str) -> str:
    if not path.is_file():
        return ""
    data = base64.b64encode(path.read_bytes()).decode()
    return f'<h2>{title}</h2><img alt="{title}" src="data:image/png;base64,{data}">'
