"""The probe: addresses, answers and exit codes, with a fake connection."""

from __future__ import annotations

import pytest

from chatbot import probe

URL = "http://127.0.0.1:8000/health"


class FakeConnection:
    def __init__(self, answer: bytes) -> None:
        self._parts = [answer[:10], answer[10:]]

    def __enter__(self) -> FakeConnection:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def sendall(self, request: bytes) -> None:
        assert request.startswith(b"GET /health HTTP/1.0\r\nHost: 127.0.0.1:8000\r\n")

    def recv(self, _: int) -> bytes:
        return self._parts.pop(0) if self._parts else b""


def give(monkeypatch: pytest.MonkeyPatch, answer: bytes) -> None:
    monkeypatch.setattr(probe.socket, "create_connection", lambda *_, **__: FakeConnection(answer))


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        (URL, ("127.0.0.1", 8000, "/health")),
        ("http://app", ("app", 80, "/")),
        ("http://app/a/b?c=d", ("app", 80, "/a/b?c=d")),
    ],
)
def test_split(url: str, parts: tuple[str, int, str]) -> None:
    assert probe.split(url) == parts


@pytest.mark.parametrize("url", ["", "app:8000", "https://app/", "http://", "http:///health", "http://app:x/"])
def test_split_refuses(url: str) -> None:
    with pytest.raises(probe.ProbeError):
        probe.split(url)


def test_200_is_silent(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    give(monkeypatch, b'HTTP/1.1 200 OK\r\n\r\n{"status":"ok"}')
    assert probe.main([URL]) == 0
    assert capsys.readouterr().out == ""


def test_503_shows_the_body(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    give(monkeypatch, b'HTTP/1.1 503 Service Unavailable\r\nx: y\r\n\r\n{"status":"failed"}')
    assert probe.main([URL]) == 1
    assert capsys.readouterr().out == '503 {"status":"failed"}\n'


@pytest.mark.parametrize("answer", [b"", b"SSH-2.0-OpenSSH\r\n", b"HTTP/1.1\r\n\r\n"])
def test_an_answer_that_is_not_http(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], answer: bytes
) -> None:
    give(monkeypatch, answer)
    assert probe.main([URL]) == 1
    assert capsys.readouterr().out == "probe: the answer is not HTTP\n"


def test_no_connection(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ConnectionRefusedError(111, "Connection refused")

    monkeypatch.setattr(probe.socket, "create_connection", refuse)
    assert probe.main([URL]) == 1
    assert capsys.readouterr().out == "probe: [Errno 111] Connection refused\n"


def test_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert probe.main([]) == 1
    assert capsys.readouterr().out == "usage: python -m chatbot.probe URL\n"
