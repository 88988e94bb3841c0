"""How large a request may be."""

from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: The longest article, each character written as two JSON escapes, and some room.
BODY_BYTES = 8_000_000


class BodyLimit:
    """Refuses a longer body with 413 as soon as that is known, so that no request can fill the memory."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, and count what it brings: a declared length may be missing or untrue."""
        left = BODY_BYTES

        async def counted() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise HTTPException(413, f"a request may bring {BODY_BYTES} bytes at most")
            return message

        await self._app(scope, counted if scope["type"] == "http" else receive, send)
