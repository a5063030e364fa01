"""Runs a built application on a socket until a signal asks it to stop: uvicorn, one process, uvloop, httptools."""

from __future__ import annotations

import asyncio
import errno
import signal
import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any, Final, cast

import uvicorn

from runlake.config import Settings
from runlake.errors import SettingsError
from runlake.http_protocol import BoundedProtocol, ConnectionLimits

if TYPE_CHECKING:
    from runlake.app import Application

_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_BACKLOG: Final = 2048
_DATE_EVERY_S: Final = 1.0
"""How often the date in the headers of answers is renewed; it counts seconds."""


def bind_socket(host: str, port: int) -> socket.socket:
    """A listening socket; SettingsError that says what to do when the address cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    # Inherited by accepted connections. Without it an answer in two segments waits 40 ms for a delayed acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    try:
        listener.bind((host, port))
        listener.listen(_BACKLOG)
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            message = f"port {port} on {host} is in use by another program; stop it, or choose a port with --port"
        else:
            message = (
                f"cannot listen on {host} port {port}: {error.strerror or error}; give another with --host and --port"
            )
        raise SettingsError(message, field="port") from error
    return listener


class DrainingServer(uvicorn.Server):
    """Uvicorn that on a signal first fails readiness, then stops accepting, then waits for what is in flight.

    Unlike its base it does not raise the signal again at the end, so that a drained server exits with status 0.
    """

    def __init__(self, config: uvicorn.Config, *, application: Application, stop_delay_s: float) -> None:
        super().__init__(config)
        self._application = application
        self._stop_delay_s = stop_delay_s
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping = asyncio.Event()
        self.on_started: Callable[[], None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets=sockets)
        if self.on_started is not None:
            self.on_started()

    async def main_loop(self) -> None:
        # The base looks ten times a second whether it shall stop; here a stop wakes the loop, and nothing else need.
        while not await self.on_tick(0):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), _DATE_EVERY_S)

    @contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        # Set here, after the engine has opened: it installs handlers of its own.
        previous = {number: signal.signal(number, self.handle_exit) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:  # noqa: ARG002 -- signature of signal handlers
        if self._application.health.draining:
            self.force_exit = sig == signal.SIGINT
            self._stop()
            return
        self._application.health.start_draining()
        if self._loop is None or self._stop_delay_s <= 0:
            self._stop()
        else:
            self._loop.call_soon_threadsafe(self._loop.call_later, self._stop_delay_s, self._stop)

    def _stop(self) -> None:
        self.should_exit = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._stopping.set)


def run(
    application: Application, settings: Settings, listener: socket.socket, *, on_started: Callable[[int], None]
) -> None:
    """Serve until SIGTERM or SIGINT; returns when every request in flight is answered or ``drain_seconds`` are over."""
    config = uvicorn.Config(
        application.asgi,
        loop="uvloop",
        # Uvicorn takes any callable that makes a protocol; only its annotation asks for a class.
        http=cast("Any", partial(BoundedProtocol, limits=ConnectionLimits.of(settings))),
        ws="none",
        lifespan="on",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=settings.drain_seconds,
        timeout_keep_alive=65,
    )
    server = DrainingServer(config, application=application, stop_delay_s=settings.stop_delay_seconds)
    port = listener.getsockname()[1]
    server.on_started = lambda: on_started(port)
    server.run(sockets=[listener])
