"""What a client sends: bodies within limits of size and time, as pictures; a fault is a status and a sentence."""

import asyncio
import base64
import binascii
import json
import sys
from collections.abc import AsyncGenerator
from typing import Any

import numpy as np
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import ClientDisconnect, Request

MAX_FILES = 64  # of one request


class RefusedError(Exception):
    """A request that is answered with a status and a sentence."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class _InMemory(MultiPartParser):
    """Keeps uploads in memory, which `max_body` bounds: no picture is written to a disk."""

    spool_max_size = sys.maxsize


async def read_body(request: Request, max_body: int, timeout: float) -> bytes:
    """Returns the body.

    Raises:
      RefusedError: 413 over `max_body` bytes, before they have been read where the head tells; 408 after `timeout`
        seconds; 400 if the client goes away.
    """
    declared = request.headers.get("content-length", "0")
    if declared.isdecimal() and int(declared) > max_body:
        raise RefusedError(413, f"the body has {declared} bytes, and {max_body} are allowed")
    chunks, size = [], 0
    try:
        async with asyncio.timeout(timeout):
            async for chunk in request.stream():
                size += len(chunk)
                if size > max_body:
                    raise RefusedError(413, f"the body has more than the {max_body} bytes that are allowed")
                chunks.append(chunk)
    except TimeoutError as error:
        raise RefusedError(408, f"the body did not come within {timeout:g} seconds") from error
    except ClientDisconnect as error:
        raise RefusedError(400, "the body is not complete") from error
    return b"".join(chunks)


async def read_pictures(request: Request, max_body: int, timeout: float) -> tuple[list[str], list[bytes]]:
    """Returns names and bytes of the pictures in a body: itself one, or a multipart form of files.

    Raises:
      RefusedError: as `read_body`; 400 for a form that is none or holds no file, and an empty body.
    """
    body = await read_body(request, max_body, timeout)
    if not request.headers.get("content-type", "").lower().startswith("multipart/form-data"):
        if not body:
            raise RefusedError(400, "the body is empty; send a picture, as curl --data-binary @face.jpg does")
        return [""], [body]

    async def stream() -> AsyncGenerator[bytes]:
        yield body

    try:
        form = await _InMemory(request.headers, stream(), max_files=MAX_FILES).parse()
    except (MultiPartException, KeyError, ValueError) as error:
        raise RefusedError(400, f"the form can't be read: {getattr(error, 'message', error)}") from error
    files = [value for _, value in form.multi_items() if not isinstance(value, str)]
    if not files:
        raise RefusedError(400, "the form holds no file; send one, as curl --form file=@face.jpg does")
    return [file.filename or "" for file in files], [await file.read() for file in files]


async def read_json(request: Request, max_body: int, timeout: float) -> dict[str, Any]:
    """Returns the JSON object in a body.

    Raises:
      RefusedError: as `read_body`; 400 if it is no JSON object.
    """
    body = await read_body(request, max_body, timeout)
    try:
        content = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise RefusedError(400, "the body is not JSON") from error
    if not isinstance(content, dict):
        raise RefusedError(400, "the body is not a JSON object")
    return content


def instances(content: dict[str, Any]) -> list[bytes]:
    """Returns the pictures of a request to TensorFlow Serving: `{"instances": [{"b64": …}, …]}`.

    An instance may name its input, `{"image_bytes": {"b64": …}}`.

    Raises:
      RefusedError: 400 for anything else.
    """
    found = content.get("instances")
    if not isinstance(found, list) or not found:
        raise RefusedError(400, 'the body has no "instances"; send {"instances": [{"b64": "…"}]}')
    pictures = []
    for instance in found:
        if isinstance(instance, dict) and isinstance(instance.get("image_bytes"), dict):
            instance = instance["image_bytes"]
        if not isinstance(instance, dict) or not isinstance(instance.get("b64"), str):
            raise RefusedError(400, 'an instance is not {"b64": "…"}')
        pictures.append(_from_base64(instance["b64"]))
    return pictures


def infer_input(content: dict[str, Any], image_size: int) -> list[bytes] | np.ndarray:
    """Returns the input of a request by KServe's Open Inference Protocol: encoded pictures, or pixels.

    Args:
      content: with one entry in `inputs`: `image_bytes`, BYTES (n,), in base64; or `images`, UINT8 (n, size, size, 3).
      image_size: of the model.

    Raises:
      RefusedError: 400 for anything else.
    """
    inputs = content.get("inputs")
    if not isinstance(inputs, list) or len(inputs) != 1 or not isinstance(inputs[0], dict):
        raise RefusedError(400, "the body has not one input; GET /v2/models/gender lists them, give one of them")
    (given,) = inputs
    name, shape, data = (given.get(key) for key in ("name", "shape", "data"))
    if not isinstance(data, list) or not data:
        raise RefusedError(400, "the input has no data")
    if not isinstance(shape, list) or set(map(type, shape)) != {int}:  # 1.0 and true equal 1
        raise RefusedError(400, f"the input's shape {shape} is not a list of whole numbers")
    if name == "image_bytes" and given.get("datatype") == "BYTES":
        if shape != [len(data)] or not all(isinstance(item, str) for item in data):
            raise RefusedError(400, f"image_bytes is not of shape [{len(data)}], or not base64 texts")
        return [_from_base64(item) for item in data]
    wanted = [image_size, image_size, 3]
    if name == "images" and given.get("datatype") == "UINT8":
        try:
            pixels = np.array(data, dtype=object)  # of texts NumPy's own would be as long as the longest, each
        except ValueError as error:
            raise RefusedError(400, "the lists in the data are not of equal lengths") from error
        kinds = set(map(type, pixels.flat))
        if list in kinds:
            raise RefusedError(400, "the lists in the data are not of equal lengths")
        if shape[1:] != wanted or shape[:1] != [pixels.size // (3 * image_size**2)]:
            raise RefusedError(400, f"images is of shape {shape} where [n, {', '.join(map(str, wanted))}] is taken")
        if kinds != {int} or pixels.min() < 0 or pixels.max() > 255:
            raise RefusedError(400, "the data of images are not whole numbers from 0 to 255")
        if pixels.size != int(np.prod(shape)):
            raise RefusedError(400, f"images has {pixels.size} numbers where its shape {shape} needs others")
        return pixels.reshape(shape).astype(np.uint8)
    raise RefusedError(400, "the input is neither image_bytes, BYTES, nor images, UINT8")


def _from_base64(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise RefusedError(400, "a picture is not base64") from error
