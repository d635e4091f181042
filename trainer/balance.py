"""Unequal classes and several data sets: how often a face is seen in an epoch, and how much it weighs."""

from gender_tfds import faces
from trainer.config import TrainConfig
from trainer.input_pipeline import Counts


def class_weights(config: TrainConfig, shown: Counts) -> tuple[float, ...]:
    """Returns the weight of each class in the loss: given, or by the numbers of faces, or 1.

    Weights by number are n / (2 n_class), scikit-learn's "balanced": the two classes weigh the same together, and the
    mean weight of a face is 1.

    Args:
      config: the settings.
      shown: of each data set, how many faces of each class an epoch shows, from `faces_per_epoch`.
    """
    if config.balance != "class_weights":
        return (1.0,) * len(faces.GENDERS)
    if config.class_weights:
        return tuple(float(weight) for weight in config.class_weights)
    totals = [sum(of_set[gender] for of_set in shown) for gender in faces.GENDERS]
    return tuple(sum(totals) / (len(totals) * total) for total in totals)


def faces_per_epoch(config: TrainConfig, counts: Counts) -> list[dict[str, int]]:
    """Returns, for each data set, how many faces of each class an epoch shows.

    A number above that of the faces means that some are shown again, below that some wait for another epoch; they take
    turns.
    """
    weights = [float(weight) for weight in config.dataset_weights] or [1.0] * len(counts)
    shown = [
        {gender: number * weight for gender, number in of_set.items()}
        for of_set, weight in zip(counts, weights, strict=True)
    ]
    if config.balance in ("oversample", "undersample"):
        totals = {gender: sum(of_set[gender] for of_set in shown) for gender in faces.GENDERS}
        wanted = max(totals.values()) if config.balance == "oversample" else min(totals.values())
        shown = [{gender: n * wanted / totals[gender] for gender, n in of_set.items()} for of_set in shown]
    return [{gender: round(number) for gender, number in of_set.items()} for of_set in shown]
