"""What a benchmark found, as a table of text and as a picture."""

import pathlib

import pandas as pd

from gender_tfds.atomic_files import atomic_path

_COLOURS = {".keras": "#D55E00", "": "#E69F00", ".tflite": "#0072B2", ".onnx": "#009E73"}  # of Okabe and Ito's palette
_NAME = 40  # characters of an artefact's path that are shown, the last ones
_PANELS = {
    "latency_ms": "ms a picture, one at a time",
    "throughput": "pictures a second, {batch_size} at once",
    "load_s": "seconds from start to the first answer",
    "memory_mb": "MB of memory at the first answer",
}


def as_text(table: pd.DataFrame, batch_size: int) -> str:
    """Returns the table of `benchmark.benchmark` in aligned columns: medians, with extremes but for memory."""
    columns = {
        "artefact": [name if len(name) <= _NAME else f"…{name[1 - _NAME :]}" for name in table["artefact"]],
        "threads": [str(count) for count in table["threads"]],
        "kB": [f"{size / 1000:,.0f}" for size in table["bytes"]],
        "load s": _spread(table, "load_s", ".2f"),
        "MB": ["unknown" if pd.isna(size) else f"{size:,.0f}" for size in table["memory_mb"]],
        "ms, 1 at once": _spread(table, "latency_ms", ".2f"),
        f"pictures/s, {batch_size} at once": _spread(table, "throughput", ",.0f"),
    }
    if "times_faster" in table:
        columns |= {
            "times as fast": [f"{times:.1f}" for times in table["times_faster"]],
            "labels changed": [
                f"{changed} of {n}" for changed, n in zip(table["labels_changed"], table["n"], strict=True)
            ],
            "p differs by": [f"{difference:.0e}" for difference in table["worst_difference"]],
        }
    if "accuracy" in table:
        columns["accuracy, 95 %"] = _spread(table, "accuracy", ".4f", places=".3f")
    widths = [max(map(len, (name, *cells))) for name, cells in columns.items()]
    lines = zip(*([name, *cells] for name, cells in columns.items()), strict=True)
    return "\n".join(
        "  ".join(
            cell.ljust(width) if index == 0 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    )


def _spread(table: pd.DataFrame, name: str, form: str, places: str | None = None) -> list[str]:
    cells = zip(table[name], table[f"{name}_low"], table[f"{name}_high"], strict=True)
    return [
        f"{middle:{form}}" + (f" ({low:{places or form}}–{high:{places or form}})" if low < high else "")
        for middle, low, high in cells
    ]


def plot(table: pd.DataFrame, path: pathlib.Path, title: str, batch_size: int) -> None:
    """Draws latency, throughput, loading and memory as bars, with their extremes."""
    import matplotlib
    from matplotlib.figure import Figure

    names = [
        f"{pathlib.PurePath(name).name}, {count} thread{'s' if count > 1 else ''}"
        for name, count in zip(table["artefact"], table["threads"], strict=True)
    ]
    colours = [_COLOURS.get(pathlib.PurePath(name).suffix, "grey") for name in table["artefact"]]
    with matplotlib.rc_context({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False}):
        figure = Figure(figsize=(13, 1.6 + 0.38 * len(table)), layout="constrained")
        panels = figure.subplots(1, len(_PANELS), sharey=True)
        for axes, (column, label) in zip(panels, _PANELS.items(), strict=True):
            middle, low, high = table[column], table[f"{column}_low"], table[f"{column}_high"]
            ends = {"capsize": 3, "lw": 1}
            axes.barh(range(len(table)), middle, color=colours, xerr=[middle - low, high - middle], error_kw=ends)
            for place, (value, end) in enumerate(zip(middle, high, strict=True)):
                if pd.notna(value):
                    text = f" {value:,.0f}" if value >= 100 else f" {value:.3g}"
                    axes.annotate(text, (end, place), (4, 0), textcoords="offset points", va="center", fontsize=8)
            axes.set_xlabel(label.format(batch_size=batch_size))
            axes.margins(x=0.25)
        panels[0].set_yticks(range(len(table)), names)  # which need not differ: of two folders
        panels[0].invert_yaxis()
        figure.suptitle(title, fontsize=10)
        with atomic_path(path) as partial:
            figure.savefig(partial, dpi=120)
