"""The HTTP interface: this project's own, TensorFlow Serving's and KServe's, over one service."""

import json
from collections.abc import Callable
from contextlib import asynccontextmanager
from typing import Any

import numpy as np
from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from fastapi.staticfiles import StaticFiles
from starlette.types import ASGIApp

from export import requests_http as incoming
from export.admission import Gate, Limits
from export.requests_http import RefusedError
from export.score_config import DETECTORS
from export.serve_docs import DOCS_PAGE, describe
from export.service import OverloadedError, Service
from gender_tfds.faces import GENDERS

MODEL = "gender"
_RETRY_AFTER = "1"  # seconds


class Answer(JSONResponse):
    """JSON in ASCII: what a client sent, and is told again, need not have a UTF-8."""

    def render(self, content: Any) -> bytes:
        """Returns the body."""
        return json.dumps(content, allow_nan=False, separators=(",", ":")).encode("ascii")


def make_app(service_of: Callable[[], Service], limits: Limits, web_dir: str | None = None) -> ASGIApp:
    """Returns the application.

    Args:
      service_of: called once, on the event loop that serves.
      limits: of a request.
      web_dir: folder of the page at `/`; without one, that leads to `/docs`.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> Any:
        app.state.service = service_of()
        yield
        await app.state.service.close()

    app = FastAPI(title="gender-serve", docs_url=None, redoc_url=None, lifespan=lifespan)
    _add_own_routes(app, limits)
    _add_tensorflow_serving(app, limits)
    _add_kserve(app, limits)

    @app.exception_handler(RefusedError)
    async def refused(request: Request, error: RefusedError) -> Response:
        # what is left of a body is not read: the connection can't be used again
        headers = {"Connection": "close"} if error.status in (408, 413) else None
        return Answer({"error": str(error)}, error.status, headers)

    @app.exception_handler(OverloadedError)
    async def overloaded(request: Request, error: OverloadedError) -> Response:
        headers = {"Retry-After": _RETRY_AFTER, "Connection": "close"}
        return Answer({"error": "too many pictures wait; try again"}, 503, headers)

    if web_dir:
        app.mount("/", StaticFiles(directory=web_dir, html=True))  # after all routes, which it would hide
    else:
        app.add_api_route("/", lambda: RedirectResponse("/docs"), include_in_schema=False)

    return Gate(app, limits, lambda: app.state.service.numbers)


def _add_own_routes(app: FastAPI, limits: Limits) -> None:
    @app.post("/predict", **describe("predict"))
    async def predict(request: Request) -> Response:
        service: Service = request.app.state.service
        min_confidence = _min_confidence(request)
        names, encoded = await incoming.read_pictures(request, limits.max_body, limits.timeout)
        predictions = await service.score(names, encoded, min_confidence, _detector(request))
        answer: dict[str, Any] = {"predictions": predictions}
        answer |= {"model": service.model.name, "note": service.model.predictor.note}
        errors = [prediction["error"] for prediction in predictions if prediction["error"]]
        if len(errors) == len(predictions):
            answer["error"] = errors[0]
        return Answer(answer, 422 if "error" in answer else 200)

    @app.get("/metrics", **describe("metrics"))
    async def metrics(request: Request) -> Response:
        return Response(request.app.state.service.numbers.text(), media_type="text/plain; version=0.0.4")

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return HTMLResponse(DOCS_PAGE)


def _add_tensorflow_serving(app: FastAPI, limits: Limits) -> None:
    @app.post(f"/v1/models/{MODEL}:predict", **describe("tensorflow_serving"))
    async def predict(request: Request) -> Response:
        encoded = incoming.instances(await incoming.read_json(request, limits.max_body, limits.timeout))
        predictions = await _all_scored(request, encoded)
        return Answer({"predictions": [{name: row[name] for name in ("p_female", "gender")} for row in predictions]})

    @app.get(f"/v1/models/{MODEL}", **describe("tensorflow_serving_status"))
    async def status() -> Response:
        state = {"version": "1", "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
        return Answer({"model_version_status": [state]})


def _add_kserve(app: FastAPI, limits: Limits) -> None:
    @app.get("/v2/health/live", **describe("live"))
    async def live() -> Response:
        return Answer({"live": True})

    @app.get("/v2/health/ready", **describe("ready"))
    async def ready() -> Response:
        return Answer({"ready": True})

    @app.get(f"/v2/models/{MODEL}", **describe("kserve_model"))
    async def metadata(request: Request) -> Response:
        size = request.app.state.service.model.predictor.image_size
        tensors = {
            "inputs": [("image_bytes", "BYTES", [-1]), ("images", "UINT8", [-1, size, size, 3])],
            "outputs": [("p_female", "FP32", [-1]), ("gender", "BYTES", [-1])],
        }
        told = {
            side: [{"name": name, "datatype": kind, "shape": shape} for name, kind, shape in some]
            for side, some in tensors.items()
        }
        return Answer({"name": MODEL, "versions": ["1"], "platform": "gender-serve", **told})

    @app.post(f"/v2/models/{MODEL}/infer", **describe("kserve_infer"))
    async def infer(request: Request) -> Response:
        service: Service = request.app.state.service
        threshold = service.model.predictor.metadata["threshold"]
        content = await incoming.read_json(request, limits.max_body, limits.timeout)
        if not isinstance(content.get("id", ""), str):
            raise RefusedError(400, "id is not a string")
        given = incoming.infer_input(content, service.model.predictor.image_size)
        scores = [row["p_female"] for row in await _all_scored(request, given)]
        outputs = [
            {"name": "p_female", "datatype": "FP32", "shape": [len(scores)], "data": scores},
            {
                "name": "gender",
                "datatype": "BYTES",
                "shape": [len(scores)],
                "data": [GENDERS[score > threshold] for score in scores],
            },
        ]
        answer = {"model_name": MODEL, "model_version": "1", "outputs": outputs}
        if "id" in content:
            answer["id"] = content["id"]
        return Answer(answer)


async def _all_scored(request: Request, pictures: list[bytes] | np.ndarray) -> list[dict[str, Any]]:
    """Returns a row for every picture; the protocols of others have no place for an error beside them."""
    service: Service = request.app.state.service
    names = [str(number) for number in range(len(pictures))]
    if isinstance(pictures, np.ndarray):
        predictions = await service.score_pixels(names, pictures)
    else:
        predictions = await service.score(names, pictures, 0.0)
    for row in predictions:
        if row["error"]:
            raise RefusedError(422, f"picture {row['path']}: {row['error']}")
    return predictions


def _min_confidence(request: Request) -> float:
    text = request.query_params.get("min_confidence", "0.5")
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0.5 <= value <= 1:
        raise RefusedError(400, f"min_confidence={text[:20]} is not a number from 0.5 to 1")
    return value


def _detector(request: Request) -> str:
    name = request.query_params.get("detector", "none")
    if name not in DETECTORS:
        raise RefusedError(400, f"detector={name[:20]} is none of {', '.join(DETECTORS)}")
    return name
