"""What OpenAPI is told of each operation, and the page that shows it without an asset from elsewhere."""

import importlib.resources
from typing import Any

from export.score_config import DETECTORS, FACE_COLUMNS
from gender_tfds.run_folder import COLUMNS

# one pixel, as base64
_PICTURE = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVQIHWNoaGgAAAMEAYHZ9rm7AAAAAElFTkSuQmCC"

DOCS_PAGE = importlib.resources.files("export").joinpath("web/docs.html").read_text(encoding="utf-8")

_TEXT, _NUMBER, _COUNT = {"type": "string"}, {"type": "number"}, {"type": "integer"}
_MAYBE_TEXT, _MAYBE_NUMBER = {"type": ["string", "null"]}, {"type": ["number", "null"]}


def _object(required: list[str], **properties: Any) -> dict[str, Any]:
    return {"type": "object", "required": required, "properties": properties}


def _list(items: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"type": "array", "items": items, **more}


def _body(*content: tuple[str, dict[str, Any], Any]) -> dict[str, Any]:
    kinds = {kind: {"schema": schema} | ({"example": example} if example else {}) for kind, schema, example in content}
    return {"requestBody": {"required": True, "content": kinds}}


_ERROR = _object(["error"], error=_TEXT)
_ROW = _object(
    list(COLUMNS),
    **{name: _MAYBE_TEXT if kind is str else _MAYBE_NUMBER for name, kind in COLUMNS.items()}
    | {"path": _TEXT}
    | dict.fromkeys(FACE_COLUMNS, _NUMBER),
)
_PREDICTIONS = _object(["predictions", "model", "note"], predictions=_list(_ROW), model=_TEXT, note=_TEXT)
_B64 = _object(["b64"], b64=_TEXT)
_INPUT = _object(
    ["name", "shape", "datatype", "data"],
    name={"enum": ["image_bytes", "images"]},
    shape=_list(_COUNT),
    datatype={"enum": ["BYTES", "UINT8"]},
    data=_list({}, minItems=1),
)
_TENSOR = _object(["name", "shape", "datatype"], name=_TEXT, shape=_list(_COUNT), datatype=_TEXT, data=_list({}))
_MIN_CONFIDENCE = {
    "name": "min_confidence",
    "in": "query",
    "description": "below it a face is undecided",
    "schema": {"type": "number", "minimum": 0.5, "maximum": 1, "default": 0.5},
}
_DETECTOR = {
    "name": "detector",
    "in": "query",
    "description": "yunet: find the faces in each photo first, a row each; none: each picture is a cropped face",
    "schema": {"type": "string", "enum": list(DETECTORS), "default": "none"},
}

_REFUSALS = {
    400: "The request can't be understood.",
    408: "The body did not come in time.",
    413: "The body is too large.",
    422: "A picture can't be decoded.",
    503: "Too many pictures wait; try again after the seconds in Retry-After.",
}


# operation -> summary, more for OpenAPI, schema of the answer, statuses of refusals
_OPERATIONS: dict[str, tuple[str, dict[str, Any], dict[str, Any] | None, tuple[int, ...]]] = {
    "predict": (
        "Scores a picture, which is the body, or the files of a form: a row for each, as gender-score writes them.",
        {
            "parameters": [_MIN_CONFIDENCE, _DETECTOR],
            **_body(
                ("application/octet-stream", {"type": "string", "format": "binary"}, None),
                ("image/jpeg", {"type": "string", "format": "binary"}, None),
                (
                    "multipart/form-data",
                    _object(["file"], file=_list({"type": "string", "format": "binary"}, minItems=1)),
                    None,
                ),
            ),
        },
        _PREDICTIONS,
        tuple(_REFUSALS),
    ),
    "metrics": ("Requests, errors, latency, batch size and queue depth, in Prometheus' format.", {}, None, ()),
    "tensorflow_serving": (
        "TensorFlow Serving's predict: encoded pictures in base64.",
        _body(
            (
                "application/json",
                _object(["instances"], instances=_list(_B64, minItems=1)),
                {"instances": [{"b64": _PICTURE}]},
            )
        ),
        _object(["predictions"], predictions=_list(_object(["p_female", "gender"], p_female=_NUMBER, gender=_TEXT))),
        tuple(_REFUSALS),
    ),
    "tensorflow_serving_status": (
        "TensorFlow Serving's model status.",
        {},
        _object(["model_version_status"], model_version_status=_list({"type": "object"})),
        (),
    ),
    "live": ("Answers while the process lives.", {}, _object(["live"], live={"type": "boolean"}), ()),
    "ready": ("Answers when the model is loaded.", {}, _object(["ready"], ready={"type": "boolean"}), ()),
    "kserve_model": (
        "KServe's model metadata: names, types and shapes of inputs and outputs.",
        {},
        _object(["name", "inputs", "outputs"], name=_TEXT, inputs=_list(_TENSOR), outputs=_list(_TENSOR)),
        (),
    ),
    "kserve_infer": (
        "KServe's inference: image_bytes (BYTES, encoded pictures in base64), or images (UINT8, pixels).",
        _body(
            (
                "application/json",
                _object(["inputs"], id=_TEXT, inputs=_list(_INPUT, minItems=1, maxItems=1)),
                {"inputs": [{"name": "image_bytes", "shape": [1], "datatype": "BYTES", "data": [_PICTURE]}]},
            )
        ),
        _object(["model_name", "outputs"], model_name=_TEXT, outputs=_list(_TENSOR)),
        tuple(_REFUSALS),
    ),
}


def describe(operation: str) -> dict[str, Any]:
    """Returns what a FastAPI route is told of an operation."""
    summary, extra, answer, refusals = _OPERATIONS[operation]
    content = {"application/json": {"schema": answer}} if answer else {"text/plain": {"schema": _TEXT}}
    responses: dict[int, dict[str, Any]] = {200: {"description": "The answer.", "content": content}}
    for status in (401, *refusals):
        description = _REFUSALS.get(status, "The server has a token, and the request does not bear it.")
        responses[status] = {"description": description, "content": {"application/json": {"schema": _ERROR}}}
    return {"summary": summary, "operation_id": operation, "openapi_extra": extra | {"responses": responses}}
