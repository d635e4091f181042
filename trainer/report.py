"""One self-contained page about a run, filled from what was measured."""

import base64
import html
import json
import pathlib
from typing import Any

import pandas as pd

from gender_tfds import run_folder
from gender_tfds.licences import licences
from gender_tfds.saved_run import architecture
from trainer.architectures import unused_settings
from trainer.config import TrainConfig
from trainer.report_tables import measured, slice_table

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; color: #1b1b1b;
       background: #fff; }
h1, td.fact { overflow-wrap: anywhere; }
pre { overflow-x: auto; }
img { max-width: 100%; height: auto; background: #fff; }
div.wide { overflow-x: auto; }
table { border-collapse: collapse; }
td, th { padding: .2rem .7rem .2rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid #8884; }
@media (prefers-color-scheme: dark) { body { color: #eee; background: #161616; } }
"""


def make_report(
    record: dict[str, Any],
    numbers: dict[str, Any],
    slices: pd.DataFrame,
    calibration: dict[str, Any],
    workdir: pathlib.Path,
    folder: pathlib.Path,
) -> str:
    """Returns an HTML page that holds its pictures and asks the network for nothing.

    Args:
      record: content of `config.json`.
      numbers: content of `metrics.json`.
      slices: content of `slices.csv`.
      calibration: content of `calibration.json`.
      workdir: the run folder, with the pictures of training.
      folder: with the pictures of this judgement.
    """
    unused = unused_settings(TrainConfig.from_json(record["settings"]))
    settings = {name: value for name, value in record["settings"].items() if name not in unused}
    title = f"{architecture(record)} on {numbers['dataset']}, split {numbers['split']}"
    parts = [
        f"<h1>{html.escape(title)}</h1>",
        f"<p>{html.escape(numbers['note'])} {html.escape(licences(record, numbers['dataset'].partition('/')[0]))}</p>",
        f"<h2>Numbers</h2><p>In brackets: the 95 % interval.</p>{_facts(measured(numbers))}",
        f"<pre>{html.escape((folder / run_folder.CLASSIFICATION_REPORT).read_text())}</pre>",
        _picture(folder / run_folder.CONFUSION_MATRIX, "Confusion matrix"),
        _picture(folder / run_folder.SLICES_PLOT, "Error rate by slice"),
        _slices(slices),
        f"<h2>Calibration</h2>{_calibration(calibration)}",
        _picture(folder / run_folder.RELIABILITY_PLOT, "Reliability, before and after calibration"),
        f"<h2>Leaving faces undecided</h2>{_proposals(numbers)}",
        _picture(folder / run_folder.COVERAGE_PLOT, "Accuracy against coverage"),
        _picture(folder / run_folder.CONFIDENT_ERRORS, "Most confident errors"),
        _picture(folder / run_folder.UNCERTAIN_FACES, "Most uncertain faces"),
        _picture(folder / run_folder.SAMPLE_PREDICTIONS, "Sample predictions"),
        _picture(folder / run_folder.EXPLANATIONS, "What speaks for a prediction"),
        _picture(workdir / run_folder.ACCURACY_PLOT, "Accuracy over the epochs of training"),
        _picture(workdir / run_folder.LOSS_PLOT, "Loss over the epochs of training"),
        _picture(workdir / run_folder.TRAIN_BATCH, "Training faces after augmentation"),
        _picture(workdir / run_folder.MODEL_PLOT, "Model"),
        f"<h2>Settings</h2>{_facts(settings)}",
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


def _calibration(fitted: dict[str, Any]) -> str:
    if "n" not in fitted:
        return "<p>No temperature was fitted for this run.</p>"
    facts = {"temperature": f"{fitted['temperature']:.4f}, fitted on {fitted['n']:,} validation faces"}
    for name, before in fitted["before"].items():
        facts[name] = f"{before:.4f} before, {fitted['after'][name]:.4f} after, on these"
    return f"<p>The saved model's last layer holds the temperature.</p>{_facts(facts)}"


def _proposals(numbers: dict[str, Any]) -> str:
    rows = {}
    for proposal in numbers["proposals"]:
        name = f"for an accuracy of {proposal['target']:.0%}"
        if proposal["min_confidence"] is None:
            rows[name] = "no confidence reached it on the validation faces"
        elif proposal["accuracy"] is None:
            rows[name] = f"--min_confidence={proposal['min_confidence']:.4f} would leave every face here undecided"
        else:
            rows[name] = (
                f"--min_confidence={proposal['min_confidence']:.4f}: decides {proposal['coverage']:.1%} of the faces"
                f" here, {proposal['accuracy']:.4f} of them rightly"
            )
    return f"<p>Chosen on the validation faces, measured here.</p>{_facts(rows)}" if rows else ""


def _slices(slices: pd.DataFrame) -> str:
    if slices.empty:
        return "<p>The data set gives neither age nor ethnicity.</p>"
    table = f'<div class="wide">{slice_table(slices).to_html(index=False, border=0)}</div>'
    return f"<details><summary>All {len(slices)} slices as a table</summary>{table}</details>"


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
