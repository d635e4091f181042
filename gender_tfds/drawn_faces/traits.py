"""The rules behind a drawn face: which features depend on its gender and how, and which don't. NumPy only."""

import dataclasses
from typing import NamedTuple

import numpy as np

NOTE = (
    "The pictures of drawn_faces are drawn by code: a model trained or judged on them shows that the road from files to"
    " scores works, and says nothing about people."
)
LABEL_NOISE = 0.04  # the share of faces whose label is not the gender they were drawn as; nothing visible tells them
SEED = 0

# Trait: mean if male, mean if female, standard deviation, least and greatest value. Lengths are in units of half the
# head's height. Means lie 1.2 to 2.4 standard deviations apart: no trait alone tells more than 88 % of the faces.
GENDERED = {
    "hair_length": (0.0, 1.05, 0.45, -0.5, 1.7),  # how far below the middle of the face hair hangs
    "hairline": (-0.68, -0.5, 0.1, -0.9, -0.3),  # height of the hair's lower edge on the forehead
    "brow_thickness": (0.14, 0.07, 0.032, 0.03, 0.22),
    "brow_gap": (0.17, 0.3, 0.06, 0.1, 0.42),  # from the middle of the eye up to the brow
    "lash_thickness": (0.02, 0.07, 0.025, 0.01, 0.13),
    "eye_height": (0.085, 0.125, 0.022, 0.05, 0.18),
    "nose_width": (0.19, 0.12, 0.035, 0.06, 0.28),
    "lip_height": (0.065, 0.13, 0.03, 0.03, 0.2),
    "lip_redness": (0.2, 0.5, 0.25, 0.0, 1.0),
    "jaw": (3.0, 1.95, 0.45, 1.5, 4.2),  # exponent of the lower face's curve: 2 is round, more is square
    "beard": (0.35, -0.1, 0.22, 0.0, 0.8),  # opacity of the hair on cheeks and chin
    "neck_width": (0.58, 0.38, 0.09, 0.22, 0.8),
}

_SKINS = np.array([(247, 219, 198), (232, 190, 160), (205, 154, 118), (160, 108, 76), (112, 72, 50), (72, 46, 36)])
_IRISES = np.array([(60, 36, 22), (92, 62, 34), (84, 104, 60), (70, 110, 140)])
_HAIRS = np.array(
    [(24, 20, 20), (58, 38, 26), (104, 66, 38), (176, 132, 72), (222, 192, 132), (152, 62, 32), (176, 176, 176)]
)


@dataclasses.dataclass(frozen=True)
class Scene:
    """What a picture shows besides the gender: drawn by chance, and by the same chances for every gender.

    Colours are RGB, 0 to 255; lengths are in units of half the head's height.
    """

    skin: np.ndarray
    hair: np.ndarray
    clothes: np.ndarray
    background: np.ndarray  # a coarse picture of shape (4, 4, 3)
    iris: np.ndarray
    shift: np.ndarray  # of the face from the middle of the picture, (x, y)
    rotation: float  # degrees
    scale: float
    turn: float  # of the head to a side: how far the features move along x
    width: float  # half the head's width
    smile: float
    waves: tuple[float, float]  # amplitude and phase of the hair's edge
    parting: float  # where along x the hairline is highest
    hair_volume: float
    glasses: bool
    hood: bool  # cloth around the head, shaped like long hair
    light: np.ndarray  # factors of the colours, a coarse picture of shape (2, 2, 3)
    contrast: float
    blur: float  # standard deviation in pixels
    noise: float  # standard deviation in levels
    quality: int  # of the JPEG


class Label(NamedTuple):
    """Class numbers in `faces.GENDERS`: what a face is drawn as, and what the data set says it is."""

    gender: int
    label: int


@dataclasses.dataclass(frozen=True)
class Person:
    """A face to draw: the values of `GENDERED`, which depend on its gender, and the scene, which doesn't."""

    traits: dict[str, float]
    scene: Scene


def file_name(index: int) -> str:
    """Returns the file name of face number `index`.

    >>> index_of(file_name(17))
    17
    """
    return f"drawn_{index:07d}.jpg"


def index_of(name: str) -> int:
    """Returns the number of the face with this file name, the inverse of `file_name`."""
    return int(name.removeprefix("drawn_").removesuffix(".jpg"))


def sample_person(index: int, seed: int = SEED) -> Person:
    """Returns face number `index`; the same one for the same arguments, whatever else was drawn."""
    gender = sample_label(index, seed).gender
    random = np.random.default_rng([seed, index, 1])
    *means, deviations, least, greatest = np.array(list(GENDERED.values())).T
    values = np.clip(random.normal(means[gender], deviations), least, greatest)
    # a generator of its own, which has never seen the gender
    scene = sample_scene(np.random.default_rng([seed, index, 2]))
    return Person(dict(zip(GENDERED, values.tolist(), strict=True)), scene)


def sample_label(index: int, seed: int = SEED) -> Label:
    """Returns what face number `index` is drawn as and labelled, without the work of drawing it."""
    random = np.random.default_rng([seed, index, 0])
    gender = int(random.integers(2))
    return Label(gender, 1 - gender if random.random() < LABEL_NOISE else gender)


def sample_scene(random: np.random.Generator) -> Scene:
    """Returns everything about a picture that has nothing to do with gender."""
    return Scene(
        skin=_between(random, _SKINS),
        hair=np.clip(_HAIRS[random.integers(len(_HAIRS))] + random.normal(0, 10, 3), 5, 250),
        clothes=random.uniform(20, 235, 3),
        background=random.uniform(15, 240, 3) + random.normal(0, 22, (4, 4, 1)) + random.normal(0, 10, (4, 4, 3)),
        iris=_between(random, _IRISES),
        shift=random.normal(0, 0.09, 2),
        rotation=random.normal(0, 8),
        scale=random.uniform(0.9, 1.15),
        turn=random.normal(0, 0.08),
        width=random.normal(0.76, 0.035),
        smile=random.normal(0.03, 0.05),
        waves=(random.uniform(0, 0.07), random.uniform(0, 6.3)),
        parting=random.uniform(-0.5, 0.5),
        hair_volume=random.uniform(0.06, 0.2),
        glasses=random.random() < 0.2,
        hood=random.random() < 0.12,
        light=random.normal(1, 0.1) + random.normal(0, 0.1, (2, 2, 1)) + random.normal(0, 0.04, 3),
        contrast=random.uniform(0.8, 1.1),
        blur=random.uniform(0.3, 1.0),
        noise=random.uniform(2, 7),
        quality=int(random.integers(80, 96)),
    )


def _between(random: np.random.Generator, palette: np.ndarray) -> np.ndarray:
    place, part = divmod(random.uniform(0, len(palette) - 1), 1)
    mixed = palette[int(place)] * (1 - part) + palette[int(place) + 1] * part
    return np.clip(mixed + random.normal(0, 6, 3), 5, 250)
