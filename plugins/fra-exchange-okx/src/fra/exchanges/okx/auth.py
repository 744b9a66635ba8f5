"""OKX's signatures ("REST Authentication" and "Login" of the API v5 guide)."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime

LOGIN_PATH = "/users/self/verify"


def timestamp_text(timestamp_ms: int) -> str:
    """UTC milliseconds as ``OK-ACCESS-TIMESTAMP`` wants them: ``2020-12-08T09:08:57.715Z``."""
    seconds, milliseconds = divmod(timestamp_ms, 1000)
    return f"{datetime.fromtimestamp(seconds, tz=UTC):%Y-%m-%dT%H:%M:%S}.{milliseconds:03d}Z"


def signature(secret: str, timestamp: str, method: str, path: str, body: str = "") -> str:
    """Base64 of HMAC-SHA256 over timestamp, method, path with query, and body, joined as they are."""
    text = f"{timestamp}{method}{path}{body}"
    return base64.b64encode(hmac.new(secret.encode(), text.encode(), hashlib.sha256).digest()).decode()
