"""What a report and a model card both tell of a run, as tables and sentences."""

import math
from typing import Any

import pandas as pd


def worst(numbers: dict[str, Any]) -> str:
    """Returns the worst slice of `metrics.json` in words."""
    slice_ = numbers["worst_slice"]
    if not slice_:
        return "none is known (no ages or ethnicities, or too few faces)"
    return f"{slice_['by']} {slice_['slice']}, error rate {slice_['error_rate']:.4f} on {slice_['n']} faces"


def measured(numbers: dict[str, Any]) -> dict[str, str]:
    """Returns each number with its interval, as text, worst slice first beside the accuracy."""
    told = {}
    for name, (low, high) in numbers["intervals"].items():
        told[name.replace("_", " ")] = f"{numbers[name]:.4f} ({low:.4f} to {high:.4f})"
        if name == "accuracy":
            told |= {"worst slice": worst(numbers), "faces": f"{numbers['n']:,}"}
    decided = numbers["decided"]
    if decided["coverage"] < 1 and decided["n"]:
        told[f"decided at --min_confidence={numbers['min_confidence']:g}"] = (
            f"{decided['coverage']:.1%} of the faces, accuracy {decided['accuracy']:.4f}"
        )
    return told


def slice_table(slices: pd.DataFrame) -> pd.DataFrame:
    """Returns `slices.csv` for reading: each rate with its interval in one column."""
    table = slices.copy()
    for name in ("error_rate", "tpr", "fpr"):
        ends = zip(table[name], table[f"{name}_low"], table[f"{name}_high"], strict=True)
        table[name] = ["" if math.isnan(rate) else f"{rate:.3f} ({low:.3f} to {high:.3f})" for rate, low, high in ends]
    table["ranked"] = table["ranked"].map({True: "yes", False: "no, too few faces"})
    names = {"error_rate": "error rate", "tpr": "female called female", "fpr": "male called female"}
    return table[["by", "slice", "n", *names, "ranked"]].rename(columns=names)
