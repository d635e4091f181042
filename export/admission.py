"""What every request passes, whatever it asks: a token, the memory that all bodies share, the log and the numbers."""

import dataclasses
import hmac
import json
import logging
import time
from collections.abc import Awaitable, Callable

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from export.service import Numbers, OverloadedError

log = logging.getLogger(__name__)

OPEN_PATHS = ("/v2/health/live", "/v2/health/ready")  # answered without a token: whoever runs the server asks them


@dataclasses.dataclass(frozen=True, kw_only=True)
class Limits:
    """What a request may be.

    Attributes:
      max_body: bytes.
      timeout: seconds for a body to come.
      max_memory: bytes of the bodies of all requests that are not answered yet.
      token: that requests must bear; None for none.
    """

    max_body: int
    timeout: float
    max_memory: int
    token: str | None = None


class Gate:
    """Before every request its token, around all the memory of their bodies, behind each a line in the log.

    No name and no content is told. HEAD is answered as GET is; uvicorn leaves out the body.
    """

    def __init__(self, app: ASGIApp, limits: Limits, numbers: Callable[[], Numbers]) -> None:
        self._app = app
        self._token = limits.token
        self._memory_left = limits.max_memory
        self._numbers = numbers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status, held, method = time.monotonic(), 0, 0, scope["method"]
        if method == "HEAD":
            scope = {**scope, "method": "GET"}  # a copy: uvicorn looks at its own

        async def counted() -> Message:
            nonlocal held
            message = await receive()
            size = len(message.get("body", b""))
            held += size
            self._memory_left -= size
            if self._memory_left < 0:
                raise OverloadedError
            return message

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await (self._app if self._admits(scope) else _unauthorized)(scope, counted, watched)
        finally:
            self._memory_left += held
            seconds = time.monotonic() - began
            route = getattr(scope.get("route"), "path", "other")
            self._numbers().requests.labels(route, str(status)).inc()
            self._numbers().latency.observe(seconds)
            line = {"method": method, "route": route, "status": status, "ms": round(1000 * seconds, 2)}
            log.info("%s", json.dumps({"time": round(time.time(), 3), **line}))

    def _admits(self, scope: Scope) -> bool:
        if self._token is None or scope["path"] in OPEN_PATHS:
            return True
        scheme, _, given = dict(scope["headers"]).get(b"authorization", b"").partition(b" ")
        return scheme.lower() == b"bearer" and hmac.compare_digest(given, self._token.encode())


async def _unauthorized(scope: Scope, receive: Receive, send: Callable[[Message], Awaitable[None]]) -> None:
    answer = JSONResponse({"error": "a bearer token is needed"}, 401, {"WWW-Authenticate": "Bearer"})
    await answer(scope, receive, send)
