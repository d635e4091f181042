"""Limits for who keeps a connection waiting: what uvicorn, made to stand behind a proxy, leaves to one."""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD = 64 * 1024  # bytes
SECONDS = 20  # for a head to come, or for the rest of a body that is answered


class HeadLimits(HttpToolsProtocol):
    """Closes a connection whose next request's head does not come whole within `SECONDS` and `MAX_HEAD` bytes.

    Between two requests of one connection uvicorn's `timeout_keep_alive` counts. The time for a body is the
    application's matter, until it has answered: whatever comes then must become the next head within `SECONDS`, be it
    the rest of a body that nobody reads.
    """

    _timer: asyncio.TimerHandle | None = None
    _head = 0  # bytes of an incomplete head so far

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._begin()

    def data_received(self, data: bytes) -> None:
        if self._timer and not self._answered_early():
            self._head += len(data)
        super().data_received(data)
        if self.cycle is None or self.cycle.response_complete:
            self._begin()  # these bytes have ended uvicorn's `timeout_keep_alive`, and need not be a head's
        # the bytes of a body that came with its head are none of it, and then the timer is gone
        if self._timer and self._head > MAX_HEAD and not self.transport.is_closing():
            self.send_400_response(f"The head has more than {MAX_HEAD} bytes.")

    def on_message_begin(self) -> None:
        self._begin()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._end()
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        if self._answered_early():
            self.cycle.more_body = False  # uvicorn does so only before an answer
            self._end()
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()
        super().connection_lost(exc)

    def _answered_early(self) -> bool:
        """Whether the request is answered of which a body is still coming."""
        return self.cycle is not None and self.cycle.response_complete and self.cycle.more_body

    def _begin(self) -> None:
        if self._timer is None:
            self._head = 0
            self._timer = self.loop.call_later(SECONDS, self.transport.close)

    def _end(self) -> None:
        if self._timer:
            self._timer.cancel()
            self._timer = None
