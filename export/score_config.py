"""What decides the rows of a table of predictions. Imports nothing heavy: `--help` reads it."""

import dataclasses

from gender_tfds.command_line import UserError, setting

EXTRA_COLUMNS = {"width": int, "height": int, "sha256": str}  # of the picture; --columns chooses from them


@dataclasses.dataclass(frozen=True, kw_only=True)
class ScoreConfig:
    """How pictures are scored."""

    threshold: float | None = setting(
        None, "probability over which female is predicted; the model's own if left out", lower=0, upper=1
    )
    min_confidence: float = setting(
        0.0, "below this confidence a face is undecided; a run's report proposes values", lower=0, upper=1
    )
    tta: bool = setting(False, "average the probabilities of a face and its mirror image; takes twice the time")
    columns: tuple[str, ...] = setting((), f"columns to add, about the picture: some of {','.join(EXTRA_COLUMNS)}")
    max_pixels: int = setting(89_000_000, "a picture of more is refused before it is decoded", lower=1)

    def checked(self) -> "ScoreConfig":
        """Returns itself.

        Raises:
          UserError: there is no such column.
        """
        for column in self.columns:
            if column not in EXTRA_COLUMNS or self.columns.count(column) > 1:
                raise UserError(
                    f"--columns={','.join(self.columns)}: give some of {', '.join(EXTRA_COLUMNS)}, each once"
                )
        return self

    def flags(self) -> list[str]:
        """Returns the settings that are not the defaults, as typed."""
        own = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        texts = {name: ",".join(value) if isinstance(value, tuple) else value for name, value in own.items()}
        return [f"--{name}={texts[name]}" for name in own if own[name] != getattr(type(self), name)]

    def table_columns(self) -> dict[str, type]:
        """Returns the columns of the table in order, and what they hold."""
        own = {"path": str, "gender": str, "confidence": float, "p_female": float, "error": str}
        return own | {column: EXTRA_COLUMNS[column] for column in self.columns}
