"""Sign S3 requests as Amazon's fourth version of signatures asks, so that a test can send what no client would."""

from __future__ import annotations

import hashlib
import hmac
import http.client
from collections.abc import Mapping
from datetime import UTC, datetime
from urllib.parse import quote, urlsplit

_SCOPE = "us-east-1/s3/aws4_request"


def send(
    url: str, key: str, secret: str, method: str = "GET", body: bytes = b"", headers: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """Send one signed request exactly as its address is written; return status and answer."""
    parts = urlsplit(url)
    target = url.removeprefix(f"{parts.scheme}://{parts.netloc}")
    connection = http.client.HTTPConnection(parts.netloc, timeout=60)
    try:
        signed = _signed(parts.netloc, target, key, secret, method, body, headers or {})
        connection.request(method, target, body, signed)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    finally:
        connection.close()


def _signed(
    host: str, target: str, key: str, secret: str, method: str, body: bytes, headers: Mapping[str, str]
) -> dict[str, str]:
    path, _, query = target.partition("?")
    now = datetime.now(UTC)
    digest = hashlib.sha256(body).hexdigest()
    own = {"host": host, "x-amz-date": f"{now:%Y%m%dT%H%M%SZ}", "x-amz-content-sha256": digest}
    signing = dict(sorted({**own, **headers}.items()))
    arguments = "&".join(sorted(query.split("&"))) if query else ""
    canonical = [method, quote(path, safe="/%~"), arguments, *(f"{name}:{value}" for name, value in signing.items())]
    request = "\n".join([*canonical, "", ";".join(signing), digest])
    scope = f"{now:%Y%m%d}/{_SCOPE}"
    to_sign = "\n".join(["AWS4-HMAC-SHA256", own["x-amz-date"], scope, hashlib.sha256(request.encode()).hexdigest()])
    signature = _keyed(f"AWS4{secret}".encode(), *scope.split("/"), to_sign).hex()
    credential = f"Credential={key}/{scope}, SignedHeaders={';'.join(signing)}, Signature={signature}"
    return {**signing, "authorization": f"AWS4-HMAC-SHA256 {credential}"}


def _keyed(key: bytes, *steps: str) -> bytes:
    for step in steps:
        key = hmac.digest(key, step.encode(), hashlib.sha256)
    return key
