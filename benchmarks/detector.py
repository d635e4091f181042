"""Claim: with YuNet faces are found, small ones too, and cut out as UTKFace's chips are cut.

    python benchmarks/detector.py PORTRAITS UTKFACE [--model=device]

PORTRAITS holds `female/` and `male/`, UTKFACE the chips. Prints the crop template measured on chips; how far its points
and the corners of a chip move when the face is found and cut out again; on the portraits the faces found, and the
accuracy with the detector and without; how many of 40 portraits in a photo of 12 megapixels are found, with tiles and
without.
"""

import argparse
import pathlib
import statistics
import time

import cv2
import numpy as np

from export.detector import FaceDetector, crop, similarity
from export.packaged import model_path
from export.predictor import load_predictor
from gender_tfds.faces import CROP_TEMPLATE
from gender_tfds.images_cv import decode, resize

SIZE = 200


def measure_chips(find: FaceDetector, files: list[pathlib.Path], model: str) -> None:
    """Prints the template, how the warp of found faces displaces points of their chips, and accuracies."""
    predictor = load_predictor(model_path(model))
    landmarks, moved, right = [], {"corners": [], "template": []}, {"found": 0, "whole": 0}
    template = np.array(CROP_TEMPLATE) @ [SIZE, SIZE * 1j]
    points = {"corners": np.array([0, SIZE, SIZE * 1j, SIZE + SIZE * 1j]), "template": template}
    for file in files:
        chip = decode(file.read_bytes())
        faces = find.detect(chip)
        female = file.name.split("_")[1] == "1"
        whole = resize(chip, predictor.image_size)
        cut = crop(chip, faces[0], predictor.image_size) if faces else whole
        for name, image in (("whole", whole), ("found", cut)):
            right[name] += (predictor.predict(image[None])[0] > 0.5) == female
        if faces:
            landmarks.append(faces[0].landmarks / SIZE)
            turn, shift = similarity(faces[0].landmarks, SIZE)
            for name, some in points.items():
                moved[name] += np.abs(turn * some + shift - some).tolist()
    measured = np.median(landmarks, axis=0).astype(float).round(4).tolist()
    print(f"chips with a face: {len(landmarks)} of {len(files)}; template {measured}")
    for name, some in moved.items():
        told = f"{np.median(some):.1f} pixels of {SIZE}, 95th percentile {np.percentile(some, 95):.1f}"
        print(f"points of the {name} move by {told}")
    shares = {name: round(number / len(files), 4) for name, number in right.items()}
    print(f"accuracy on chips, training faces among them: {shares}")


def measure_portraits(find: FaceDetector, folder: pathlib.Path, model: str) -> list[np.ndarray]:
    """Prints how many faces are found, and accuracies; returns the portraits."""
    predictor = load_predictor(model_path(model))
    files = sorted(path for path in folder.glob("*/*") if path.suffix in (".jpg", ".png"))
    found, plain, cut, seconds = 0, 0, 0, []
    for file in files:
        female = file.parent.name == "female"
        encoded = file.read_bytes()
        begin = time.perf_counter()
        photo = find.look(encoded, predictor.image_size)
        seconds.append(time.perf_counter() - begin)
        found += len(photo.faces) > 0
        whole = resize(decode(encoded), predictor.image_size)
        plain += (predictor.predict(whole[None])[0] > 0.5) == female
        cut += bool(photo.crops) and (predictor.predict(photo.crops[0][None])[0] > 0.5) == female
    print(f"portraits with a face: {found} of {len(files)}, {1000 * statistics.median(seconds):.0f} ms each")
    print(f"accuracy: {plain / len(files):.3f} without the detector, {cut / len(files):.3f} with it")
    return [decode(file.read_bytes()) for file in files[::5]]


def measure_group(find: FaceDetector, portraits: list[np.ndarray]) -> None:
    """Prints how many small faces of a group photo are found."""
    rng = np.random.default_rng(0)
    for side in (120, 80, 60):  # of a portrait, of which a face is some two fifths
        photo = np.full((3000, 4000, 3), 120, np.uint8)
        places = rng.permutation(8 * 10)[: len(portraits)]
        for place, portrait in zip(places, portraits, strict=True):
            top, left = 150 + place // 10 * 350, 150 + place % 10 * 370
            photo[top : top + side, left : left + side] = resize(portrait, side)
        begin = time.perf_counter()
        with_tiles, seconds = len(find.detect(photo)), time.perf_counter() - begin
        without = len(find.detect(cv2.resize(photo, (960, 720), interpolation=cv2.INTER_AREA)))
        told = f"{with_tiles} of {len(portraits)} found, {without} without tiles, {seconds:.1f} s"
        print(f"group photo, portraits of {side} pixels: {told}")


def main() -> None:
    """Measures and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("portraits", type=pathlib.Path)
    parser.add_argument("utkface", type=pathlib.Path)
    parser.add_argument("--model", default="accurate")
    flags = parser.parse_args()
    chips = sorted(flags.utkface.glob("*.jpg"))[::13]
    if not chips:
        parser.error(f"{flags.utkface} holds no .jpg; give the folder in which the chips themselves lie")
    find = FaceDetector()
    measure_chips(find, chips, flags.model)
    measure_group(find, measure_portraits(find, flags.portraits, flags.model))


if __name__ == "__main__":
    main()
