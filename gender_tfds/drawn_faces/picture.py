"""Draws a face from its traits and scene: NumPy and OpenCV, no other picture is used."""

from collections.abc import Sequence

import cv2
import numpy as np

from gender_tfds.drawn_faces.traits import SEED, Person, Scene, sample_person

SIDE = 128  # height and width of a picture in pixels
_UNIT = 43  # half the head's height in pixels, at scale 1
_SHIFT = 4  # OpenCV takes fixed-point coordinates with this many binary places
_EYE_Y, _EYE_X, _NOSE_Y, _MOUTH_Y = -0.12, 0.32, 0.28, 0.56


_ACROSS = np.linspace(-1, 1, 9)


def _arc(start: float, stop: float, points: int) -> np.ndarray:
    """Returns points of the unit circle between two angles in half turns, shape (points, 2)."""
    angles = np.pi * np.linspace(start, stop, points)
    return np.stack([np.cos(angles), np.sin(angles)], 1)


_CIRCLE, _SKULL, _HEAD = _arc(0, 2, 25), _arc(1, 2, 20), _arc(0, 2, 49)
_TAPER = np.sin(np.linspace(0.5, np.pi - 0.3, len(_ACROSS)))


class _Pen:
    """Paints on an image in the head's coordinates: (0, 0) is its middle, 1 half its height, y points down."""

    def __init__(self, image: np.ndarray, scene: Scene) -> None:
        self.image = image
        self.scale = _UNIT * scene.scale
        angle = np.deg2rad(scene.rotation)
        self.axes = self.scale * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        self.origin = SIDE / 2 + self.scale * (scene.shift + np.array((0, 0.1)))

    def pixels(self, points: np.ndarray) -> np.ndarray:
        """Returns the points as OpenCV takes them, int32 with `_SHIFT` binary places."""
        return np.rint((np.asarray(points) @ self.axes + self.origin) * 2**_SHIFT).astype(np.int32)

    def polygon(self, points: np.ndarray, colour: np.ndarray, opacity: float = 1, softness: float = 0) -> None:
        """Fills a polygon; `softness` is the standard deviation of its edge."""
        if opacity == 1:
            cv2.fillPoly(self.image, [self.pixels(points)], colour.tolist(), cv2.LINE_AA, _SHIFT)
            return
        mask = np.zeros((SIDE, SIDE), np.float32)
        cv2.fillPoly(mask, [self.pixels(points)], opacity, cv2.LINE_8, _SHIFT)
        mask = cv2.GaussianBlur(mask, (0, 0), softness * self.scale)[..., None]
        self.image[:] = self.image * (1 - mask) + colour.astype(np.float32) * mask

    def line(self, points: np.ndarray, colour: np.ndarray, thickness: float) -> None:
        """Draws a tapering curve of as many points as `_ACROSS`: OpenCV's own lines are whole pixels wide."""
        half = thickness / 2 * _TAPER
        self.polygon(np.concatenate([points - half[:, None] * (0, 1), (points + half[:, None] * (0, 1))[::-1]]), colour)

    def ellipse(self, centre: Sequence[float], radii: Sequence[float], colour: np.ndarray) -> None:
        self.polygon(_CIRCLE * radii + centre, colour)


def draw_face(index: int, seed: int = SEED) -> np.ndarray:
    """Returns the picture of face number `index`, uint8 RGB of shape (SIDE, SIDE, 3)."""
    return _draw(sample_person(index, seed), np.random.default_rng([seed, index, 3]))


def encode_face(index: int, seed: int = SEED) -> bytes:
    """Returns the picture of face number `index` as a JPEG file: the same bytes each time with one OpenCV version."""
    person = sample_person(index, seed)
    bgr = _draw(person, np.random.default_rng([seed, index, 3]))[..., ::-1]
    return cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, person.scene.quality])[1].tobytes()


def _draw(person: Person, random: np.random.Generator) -> np.ndarray:
    """Returns a picture, uint8 RGB of shape (SIDE, SIDE, 3); `random` gives the grain."""
    image = _background(person.scene)
    pen = _Pen(image, person.scene)
    _body(pen, person)
    _head(pen, person)
    for side in (-1, 1):
        _eye(pen, person, side)
    _nose_and_mouth(pen, person)
    _front_hair(pen, person)
    if person.scene.glasses:
        _glasses(pen, person.scene)
    return _photograph(image, person.scene, random)


def _background(scene: Scene) -> np.ndarray:
    grid = np.clip(scene.background, 0, 255).astype(np.uint8)
    return cv2.resize(grid, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)


def _mantle(length: float, width: float, scene: Scene) -> np.ndarray:
    """Returns the outline of hair or cloth that falls around the head down to y = `length`."""
    y = np.linspace(-0.3, length, 16)
    edge = width + scene.waves[0] * np.sin(9 * y + scene.waves[1])
    arc = _SKULL * (width, 0.7 + scene.hair_volume) + (0, -0.3)
    return np.concatenate([np.stack([-edge, y], 1)[::-1], arc, np.stack([edge, y], 1)])


def _body(pen: _Pen, person: Person) -> None:
    scene, traits = person.scene, person.traits
    if scene.hood:
        pen.polygon(_mantle(1.9, scene.width + scene.hair_volume + 0.14, scene), scene.clothes * 0.8)
    pen.polygon(_mantle(traits["hair_length"], scene.width + scene.hair_volume, scene), scene.hair * 0.85)
    neck = traits["neck_width"]
    shadow = scene.skin * 0.82
    pen.polygon(np.array([(-neck, 0.5), (neck, 0.5), (neck, 1.35), (-neck, 1.35)]), shadow)
    pen.polygon(
        np.array([(-neck, 1.2), (0, 1.4), (neck, 1.2), (1.4, 1.45), (1.8, 3), (-1.8, 3), (-1.4, 1.45)]), scene.clothes
    )


def _outline(width: float, jaw: float) -> np.ndarray:
    """Returns the head's outline: an ellipse above, a curve |x|^jaw + |y|^jaw = 1 below."""
    power = 2 / np.where(_HEAD[:, 1:] > 0, jaw, 2)
    return np.sign(_HEAD) * np.abs(_HEAD) ** power * (width, 1)


def _head(pen: _Pen, person: Person) -> None:
    scene, traits = person.scene, person.traits
    for side in (-1, 1):
        pen.ellipse((side * scene.width, 0), (0.1, 0.2), scene.skin * 0.9)
    outline = _outline(scene.width, traits["jaw"])
    pen.polygon(outline, scene.skin)
    if traits["beard"] > 0:
        x = np.linspace(-1, 1, 15)
        upper = np.stack([x * scene.width * 0.93, 0.4 - 0.25 * x**4 * np.sign(x**2 - 0.3)], 1)
        lower = outline[outline[:, 1] > 0.2] * (0.95, 0.97)
        pen.polygon(np.concatenate([upper, lower]), scene.hair * 0.75, traits["beard"], 0.05)


def _eye(pen: _Pen, person: Person, side: int) -> None:
    scene, traits = person.scene, person.traits
    x, height = side * _EYE_X + scene.turn, traits["eye_height"]
    pen.ellipse((x, _EYE_Y), (0.17, height), np.array((236, 234, 230)))
    pen.ellipse((x + scene.turn / 3, _EYE_Y), (0.075, min(height, 0.085)), scene.iris)
    lid = np.stack([x + 0.19 * _ACROSS, _EYE_Y - height * (1 - _ACROSS**2) - 0.02], 1)
    pen.line(lid, np.array((28, 20, 20)), traits["lash_thickness"])
    brow = np.stack([x + 0.24 * _ACROSS, _EYE_Y - traits["brow_gap"] + 0.05 * _ACROSS**2], 1)
    pen.line(brow, scene.hair * 0.75, traits["brow_thickness"])


def _nose_and_mouth(pen: _Pen, person: Person) -> None:
    scene, traits = person.scene, person.traits
    dark, width = scene.skin * 0.72, traits["nose_width"]
    pen.ellipse((scene.turn * 1.6, 0.1), (0.035, 0.13), scene.skin * 0.88)
    pen.line(np.stack([scene.turn * 1.6 + width * _ACROSS, _NOSE_Y - 0.04 * _ACROSS**2], 1), dark, 0.06)
    redness, height = traits["lip_redness"], traits["lip_height"]
    lips = scene.skin * 0.78 * (1 - redness) + np.array((190, 40, 60)) * redness
    curve = np.stack([scene.turn + 0.27 * _ACROSS, _MOUTH_Y - scene.smile * _ACROSS**2 * 1.5], 1)
    bow = height * (1 - _ACROSS**2)
    pen.polygon(np.concatenate([curve - bow[:, None] * (0, 0.8), (curve + bow[:, None] * (0, 1.1))[::-1]]), lips)
    pen.line(curve, lips * 0.55, 0.035)


def _front_hair(pen: _Pen, person: Person) -> None:
    scene, hairline = person.scene, person.traits["hairline"]
    x = np.linspace(1, -1, 17)
    lower = np.maximum(hairline - 0.15 * (1 - np.abs(x - scene.parting)) + 0.5 * x**6, -0.95)
    arc = _SKULL * (scene.width + scene.hair_volume * 0.7, 0.7 + scene.hair_volume) + (0, -0.3)
    pen.polygon(np.concatenate([arc, np.stack([x * scene.width * 0.97, lower], 1)]), scene.hair)


def _glasses(pen: _Pen, scene: Scene) -> None:
    colour = (scene.clothes * 0.4).tolist()
    for side in (-1, 1):
        corners = np.array([(-0.25, -0.17), (0.25, -0.17), (0.22, 0.2), (-0.22, 0.2)])
        frame = pen.pixels(corners + np.array((side * _EYE_X + scene.turn, _EYE_Y)))
        cv2.polylines(pen.image, [frame], True, colour, 2, cv2.LINE_AA, _SHIFT)


def _photograph(image: np.ndarray, scene: Scene, random: np.random.Generator) -> np.ndarray:
    """Returns the picture as a cheap camera would take it: uneven light, exposure, blur and grain."""
    # In float32 and in place: these lines see every pixel and take most of the time.
    photo = cv2.GaussianBlur(image, (0, 0), scene.blur).astype(np.float32)
    photo -= 128 * (1 - 1 / scene.contrast)
    photo *= cv2.resize((scene.light * scene.contrast).astype(np.float32), (SIDE, SIDE))
    photo += cv2.merge([random.standard_normal((SIDE, SIDE), np.float32) * np.float32(scene.noise)] * 3)
    return cv2.convertScaleAbs(np.maximum(photo, 0, out=photo))
