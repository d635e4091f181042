"""Claim: what a stranger's bytes reach ends in a documented error, under Atheris, which looks for code not seen before.

    python benchmarks/fuzz.py TARGET [--runs=100000]

Install Atheris first, which is no dependency of this project: `pip install atheris`. A crash, an exception that is not
the documented one, more than 2 GB, or a minute for one input, end the run and leave the input in a file.
"""

import argparse
import asyncio
import contextlib
import json
import pathlib
import sys
import tempfile

import atheris

with atheris.instrument_imports(include=["gender_tfds", "export"]):
    from export import requests_http
    from export.associated_files import read_metadata
    from export.metadata import check_metadata
    from gender_tfds import images_cv, label_table
    from gender_tfds.user_error import UserError
    from gender_tfds.utkface import file_names

from starlette.requests import Request

SIZE = 32  # of a model's input
_TABLE = pathlib.Path(tempfile.mkdtemp()) / "labels.csv"


def _decode(data: bytes) -> None:
    try:
        if images_cv.decode_and_resize(data, SIZE).shape != (SIZE, SIZE, 3):
            raise RuntimeError("another shape")
    except ValueError:
        pass


def _name(data: bytes) -> None:
    with contextlib.suppress(file_names.BadNameError):
        file_names.parse(data.decode("utf-8", "surrogateescape"))


def _table(data: bytes) -> None:
    from etils import epath

    _TABLE.write_bytes(data)
    with contextlib.suppress(UserError):
        label_table.read_rows(epath.Path(_TABLE), ("filename", "gender"))


def _body(data: bytes) -> None:
    headers = [(b"content-type", b"multipart/form-data; boundary=x")]

    def request() -> Request:
        messages = [{"type": "http.request", "body": data, "more_body": False}]

        async def receive() -> dict:
            return messages.pop(0)

        return Request({"type": "http", "method": "POST", "headers": headers}, receive)

    for read in (requests_http.read_pictures, requests_http.read_json):
        try:
            content = asyncio.run(read(request(), 1 << 20, 5.0))
            if isinstance(content, dict):
                requests_http.infer_input(content, SIZE)
        except requests_http.RefusedError:
            pass
    with contextlib.suppress(requests_http.RefusedError):
        requests_http.instances({"instances": [{"b64": data.decode("utf-8", "replace")}]})


def _metadata(data: bytes) -> None:
    """The archive inside a `.tflite`; its reader lets the loader tell of any fault, so only crashes count."""
    with contextlib.suppress(Exception):
        check_metadata(read_metadata(data))


TARGETS = {"decode": _decode, "name": _name, "table": _table, "body": _body, "metadata": _metadata}


def _seeds(target: str) -> list[bytes]:
    from gender_tfds.drawn_faces.picture import draw_face, encode_face

    if target == "decode":
        import cv2

        return [encode_face(0), *(cv2.imencode(kind, draw_face(0))[1].tobytes() for kind in (".png", ".webp", ".gif"))]
    if target == "name":
        return [b"25_0_2_20170104021740373.jpg.chip.jpg"]
    if target == "table":
        return [b'filename,gender\n"a.jpg",male\n']
    if target == "body":
        given = {"name": "images", "datatype": "UINT8", "shape": [1, SIZE, SIZE, 3], "data": [0] * (3 * SIZE**2)}
        form = b'--x\r\nContent-Disposition: form-data; name="f"; filename="a.jpg"\r\n\r\nb\r\n--x--\r\n'
        return [form, json.dumps({"inputs": [given]}).encode()]
    models = pathlib.Path(__file__).parents[1] / "export" / "models"
    content = (models / "gender_device_int8.tflite").read_bytes()
    return [content[content.index(b"PK\x03\x04") :]]


def main() -> None:
    """Runs one target."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--runs", type=int, default=100_000, help="inputs to try (%(default)s)")
    flags = parser.parse_args()
    target, runs = flags.target, flags.runs
    corpus = pathlib.Path(tempfile.mkdtemp())
    for number, seed in enumerate(_seeds(target)):
        (corpus / str(number)).write_bytes(seed)
    options = [f"-atheris_runs={runs}", "-rss_limit_mb=2048", "-timeout=60", "-max_len=20000", "-seed=1"]
    atheris.Setup([sys.argv[0], *options, str(corpus)], TARGETS[target])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
