"""Pictures as an attacker or a bad disk makes them, the same every time: drawn faces, mutated by a seeded generator."""

import functools
import io
import random
import struct
import zlib
from collections.abc import Iterator

import hypothesis
import PIL.Image

from gender_tfds.drawn_faces.picture import draw_face

# how many cases Hypothesis tries of a property, the same ones every time
CASES = 200
property_of = hypothesis.settings(
    max_examples=CASES,
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
)

KINDS = {"JPEG": ".jpg", "PNG": ".png", "WEBP": ".webp", "GIF": ".gif"}
# what a header may be made to say: nothing, just within and far over the limit, and all that fits into 16 bits
_SIDES = (0, 1, 9_400, 12_000, 0xFFFF)


def encode(image: PIL.Image.Image, kind: str, **options: object) -> bytes:
    """Returns the bytes of an image file."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def mutated(number: int) -> Iterator[tuple[str, bytes]]:
    """Yields names and contents of pictures that were sound: of the four kinds, with the five mutations, in turn."""
    mutations = [_flip, _cut, _splice, _declare, _repeat]
    for index in range(number):
        rng = random.Random(index)
        kind = list(KINDS)[index % len(KINDS)]
        mutate = mutations[index // len(KINDS) % len(mutations)]
        sound, other = (_face(kind, rng.randrange(12)) for _ in range(2))
        yield f"{index:04d}_{mutate.__name__.strip('_')}{KINDS[kind]}", mutate(sound, other, kind, rng)


@functools.cache
def _face(kind: str, index: int) -> bytes:
    """Returns one of the ways in which a picture of a kind may be written: progressive, lossless, animated."""
    image = PIL.Image.fromarray(draw_face(index))
    options: dict[str, object] = {}
    if kind == "JPEG":
        options["progressive"] = index % 3 == 0
    if kind == "WEBP":
        options["lossless"] = index % 3 == 0
    if kind in ("WEBP", "GIF") and index % 4 == 0:
        options |= {"save_all": True, "append_images": [image.rotate(90), image.rotate(180)]}
    return encode(image, kind, **options)


def _flip(sound: bytes, other: bytes, kind: str, rng: random.Random) -> bytes:
    """Flips up to 64 bits, in the headers as often as behind them."""
    content = bytearray(sound)
    for _ in range(rng.choice((1, 4, 64))):
        content[rng.randrange(rng.choice((100, len(content))))] ^= 1 << rng.randrange(8)
    return bytes(content)


def _cut(sound: bytes, other: bytes, kind: str, rng: random.Random) -> bytes:
    return sound[: rng.randrange(len(sound))]


def _splice(sound: bytes, other: bytes, kind: str, rng: random.Random) -> bytes:
    """Puts a piece of another picture of the kind in place of a piece."""
    size = rng.randrange(1, len(other) // 2)
    start, at = rng.randrange(len(other) - size), rng.randrange(len(sound))
    return sound[:at] + other[start : start + size] + sound[at + rng.randrange(2 * size) :]


def _repeat(sound: bytes, other: bytes, kind: str, rng: random.Random) -> bytes:
    """Repeats a piece many times."""
    size = rng.randrange(1, 2000)
    at = rng.randrange(len(sound))
    return sound[:at] + sound[at : at + size] * rng.choice((2, 100)) + sound[at:]


def _declare(sound: bytes, other: bytes, kind: str, rng: random.Random) -> bytes:
    """Declares another width and height, with a checksum that is right, where the kind has one."""
    width = rng.choice(_SIDES)
    return declare(sound, kind, width, rng.choice((width, *_SIDES)))


def declare(content: bytes, kind: str, width: int, height: int) -> bytes:
    """Returns a picture whose header tells other sides, at most 65,535 pixels each."""
    if kind == "JPEG":  # the start of frame, baseline or progressive
        at = next(i for i in range(len(content)) if content[i : i + 2] in (b"\xff\xc0", b"\xff\xc2"))
        return content[: at + 5] + struct.pack(">HH", height, width) + content[at + 9 :]
    if kind == "PNG":
        header = b"IHDR" + struct.pack(">II", width, height) + content[24:29]
        return content[:12] + header + struct.pack(">I", zlib.crc32(header)) + content[33:]
    if kind == "GIF":
        sides = struct.pack("<HH", width, height)
        at = content.index(b",", 13 + 3 * 2 ** ((content[10] & 7) + 1) * (content[10] >> 7))  # the first frame's too
        return content[:6] + sides + content[10 : at + 5] + sides + content[at + 9 :]
    if content[12:16] == b"VP8X":
        sides = (max(width, 1) - 1).to_bytes(3, "little") + (max(height, 1) - 1).to_bytes(3, "little")
        return content[:24] + sides + content[30:]
    if content[12:16] == b"VP8L":
        packed = (max(width, 1) - 1) & 0x3FFF | ((max(height, 1) - 1) & 0x3FFF) << 14
        return content[:21] + packed.to_bytes(4, "little") + content[25:]
    return content[:26] + struct.pack("<HH", width & 0x3FFF, height & 0x3FFF) + content[30:]
