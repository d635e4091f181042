"""A benchmark's table for reading, and as a picture."""

import cv2
import numpy as np
import pandas as pd
import pytest

from export import benchmark_table


@pytest.fixture
def table() -> pd.DataFrame:
    rows = [
        {"artefact": "runs/first/model.keras", "threads": 2, "bytes": 1_294_319, "latency_ms": 50.0, "n": 300},
        {"artefact": f"{'deep/' * 12}model.tflite", "threads": 1, "bytes": 298_394, "latency_ms": 0.5, "n": 300},
    ]
    for row in rows:
        row |= {"latency_ms_low": row["latency_ms"] * 0.9, "latency_ms_high": row["latency_ms"] * 1.2}
        for name, value in (("load_s", 1.0), ("memory_mb", np.nan), ("throughput", 1234.5)):
            row |= {name: value, f"{name}_low": value, f"{name}_high": value}
    return pd.DataFrame(rows)


def test_medians_with_extremes_in_aligned_columns(table):
    head, keras, tflite = benchmark_table.as_text(table, 32).splitlines()
    assert head.split("  ")[0] == "artefact"
    assert "pictures/s, 32 at once" in head
    assert keras.split() == [
        "runs/first/model.keras",
        "2",
        "1,294",
        "1.00",
        "unknown",
        "50.00",
        "(45.00–60.00)",
        "1,234",
    ]
    assert tflite.startswith("…")
    assert tflite.split()[0].endswith("deep/model.tflite")
    assert tflite.split()[1:] == ["1", "298", "1.00", "unknown", "0.50", "(0.45–0.60)", "1,234"]
    assert len(head) == len(keras) == len(tflite)


def test_agreement_and_accuracy_are_columns_where_they_are_known(table):
    assert "labels changed" not in benchmark_table.as_text(table, 32)
    judged = table.assign(
        times_faster=[1, 100], labels_changed=[0, 16], worst_difference=[0, 0.14], mean_difference=[0, 0.005]
    ).assign(accuracy=[0.9238, 0.9243], accuracy_low=[0.915, 0.9155], accuracy_high=[0.932, 0.9325])
    tflite = benchmark_table.as_text(judged, 32).splitlines()[-1]
    assert tflite.split()[8:] == ["100.0", "16", "of", "300", "1e-01", "0.9243", "(0.915–0.932)"]


def test_the_picture_has_a_bar_for_each_row_also_of_one_name(table, tmp_path):
    def blue(rows: int) -> int:
        same = pd.concat([table[1:]] * rows, ignore_index=True)
        benchmark_table.plot(same, tmp_path / f"{rows}.png", "a title", 32)
        image = cv2.imread(str(tmp_path / f"{rows}.png"), cv2.IMREAD_COLOR_RGB)
        column = (image[:, image.shape[1] * 2 // 5] == (0, 114, 178)).all(axis=1)  # through the bars of throughput
        return int((np.diff(column.astype(int)) == 1).sum())

    assert [blue(1), blue(3)] == [1, 3]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1.png", "3.png"]
