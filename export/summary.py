"""What a table of predictions says as a whole: counts, and how the probabilities are spread."""

import collections
import pathlib
from typing import Any

from gender_tfds.faces import LABEL_NOTE
from gender_tfds.run_folder import UNDECIDED

_BINS = 50


class Summary:
    """Counts rows as they come; its size does not grow with them.

    Attributes:
      genders: predicted gender or `UNDECIDED` -> rows.
      errors: reason -> rows.
    """

    def __init__(self) -> None:
        self.genders: collections.Counter[str] = collections.Counter()
        self.errors: collections.Counter[str] = collections.Counter()
        self._bins = [0] * _BINS

    def add(self, row: dict[str, Any]) -> None:
        """Counts a row, also one that was read from a table of text."""
        if row.get("error"):
            self.errors[row["error"]] += 1
            return
        self.genders[row["gender"]] += 1
        self._bins[min(int(float(row["p_female"]) * _BINS), _BINS - 1)] += 1

    def line(self) -> str:
        """Returns the counts in a line, such as `12 errors, 1,000 female, 30 male`."""
        errors = sum(self.errors.values())
        counts = [("error" if errors == 1 else "errors", errors), *sorted(self.genders.items())]
        return ", ".join(f"{number:,} {name}" for name, number in counts)

    def table(self) -> str:
        """Returns the counts as lines with shares, errors by reason."""
        total = sum(self.genders.values()) + sum(self.errors.values())
        rows = [(name, self.genders[name]) for name in sorted(self.genders, key=lambda name: (name == UNDECIDED, name))]
        rows += [(f"error: {reason}", number) for reason, number in self.errors.most_common()]
        lines = [f"{number:>12,}  {number / total:6.1%}  {name}" for name, number in [*rows, ("rows", total)] if total]
        return "\n".join([*lines, LABEL_NOTE])

    def plot(self, path: pathlib.Path, title: str) -> None:
        """Draws a histogram of the probabilities."""
        from matplotlib.figure import Figure

        from gender_tfds.atomic_files import atomic_path

        figure = Figure(figsize=(8, 4.5), layout="constrained")
        axes = figure.subplots()
        axes.bar([(index + 0.5) / _BINS for index in range(_BINS)], self._bins, width=1 / _BINS, color="#0072b2")
        axes.set(xlim=(0, 1), xlabel="probability of female (perceived, as annotators would say)", ylabel="faces")
        axes.set_title(title)
        axes.grid(axis="y", alpha=0.3)
        with atomic_path(path) as partial:
            figure.savefig(partial, dpi=120)
