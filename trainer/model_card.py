"""The model card of a run, in Markdown with Hugging Face's front matter, filled from what was measured."""

from collections.abc import Iterable
from typing import Any

import huggingface_hub
import pandas as pd

from gender_tfds import run_folder
from gender_tfds.face_slices import BOTH, INFANTS, MIN_SLICE
from gender_tfds.licences import licences
from gender_tfds.saved_run import architecture, dataset_names
from trainer.report_tables import measured, slice_table, worst

_IN_CARD = ("accuracy", "balanced_accuracy", "roc_auc", "log_loss", "expected_calibration_error")


def make_model_card(record: dict[str, Any], numbers: dict[str, Any], slices: pd.DataFrame) -> str:
    """Returns a model card in Markdown with Hugging Face's front matter. Arguments as for `report.make_report`."""
    low, high = numbers["intervals"]["accuracy"]
    return f"""---
{_front_matter(record, numbers)}
---
# {architecture(record)} on {numbers["dataset"]}

{numbers["note"]} {licences(record, numbers["dataset"].partition("/")[0])}

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
{numbers["dataset"]}, split `{numbers["split"]}`. Worst slice of {MIN_SLICE} faces or more: {worst(numbers)}.

{_markdown_table(pd.DataFrame(measured(numbers).items(), columns=["number", "measured, with 95 % interval"]))}

By age and by ethnicity, which serve to judge by and are no output of the model:

{_markdown_table(slice_table(slices[slices["by"] != BOTH]))}

## Use

Meant for research and teaching on image classification, and for counting over many pictures, errors included. The label
is perceived gender, binary, by annotation.

Refused: decisions about a person; telling or checking anybody's identity or gender identity; surveillance; use on
people who have not agreed to it where the law asks for that.

## Limits

{_limits(slices)}

Trained by `{record["command"]}`, data fingerprint `{record["data"]["sha256"]}`.
"""


def _front_matter(record: dict[str, Any], numbers: dict[str, Any]) -> str:
    """Returns what Hugging Face's hub reads of a card, in YAML."""
    card = huggingface_hub.ModelCardData(
        library_name="keras",
        pipeline_tag="image-classification",
        tags=["perceived-gender", "face"],
        datasets=dataset_names(record),
        license="other",
        metrics=["accuracy"],
        model_name=architecture(record),
        eval_results=[
            huggingface_hub.EvalResult(
                task_type="image-classification",
                dataset_type=numbers["dataset"],
                dataset_name=numbers["dataset"],
                dataset_split=numbers["split"],
                metric_type=name,
                metric_value=round(numbers[name], 4),
            )
            for name in _IN_CARD
            if name in numbers
        ],
    )
    return card.to_yaml()


def _limits(slices: pd.DataFrame) -> str:
    infants = slices[(slices["by"] == "age") & (slices["slice"] == INFANTS)]
    young = "".join(f" Of children up to 3 years {1 - rate:.0%} were judged rightly." for rate in infants["error_rate"])
    return (
        "The model knows two classes, as annotators saw them, and gives one of them for every picture, also for one"
        f" without a face.{young} Faces that differ from those it was trained on (crop, light, age, origin) are judged"
        " less well than the numbers above say."
    )


def _markdown_table(table: pd.DataFrame) -> str:
    if table.empty:
        return "The data set gives neither age nor ethnicity, so there are no slices."
    rows: list[Iterable] = [table.columns, ["---"] * len(table.columns), *table.itertuples(index=False)]
    return "\n".join("| " + " | ".join(map(str, row)) + " |" for row in rows)
