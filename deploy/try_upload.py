#!/usr/bin/env python3
"""Puts one series through a running Falx as a browser would, and prints what came of it."""

import http.cookiejar
import json
import re
import sys
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, OpenerDirector, Request, build_opener

PATIENCE_SECONDS = 180


def main(address: str, password: str, folder: Path) -> None:
    """Wait until Falx is well, log in, upload `folder`, and wait for the result."""
    browser = build_opener(HTTPCookieProcessor(http.cookiejar.CookieJar()))
    health = _wait_for(lambda: _json(browser, f"{address}/healthz"), lambda _: True)
    print(f"healthz: {health['status']}, model {health['model_version']}")
    token = _csrf_token(browser, f"{address}/login")
    login = {"csrf_token": token, "username": "admin", "password": password}
    _open(browser, f"{address}/login", urlencode(login).encode())
    started = time.monotonic()
    page = _upload(browser, f"{address}/upload", sorted(folder.iterdir()))
    match = re.search(r'href="/studies/([^"?]+)', page)
    if match is None:
        sys.exit(f"no study came of the upload:\n{page}")
    study = _wait_for(
        lambda: _json(browser, f"{address}/api/studies/{match[1]}"),
        lambda study: all(s["job"]["state"] in ("done", "failed") for s in study["series"]),
    )
    for series in study["series"]:
        _print_result(series, time.monotonic() - started)


def _print_result(series: dict[str, Any], seconds: float) -> None:
    analysis = series["analysis"]
    if analysis is None or analysis["refusal"]:
        sys.exit(f"not analysed: {series['job']['error'] or analysis['refusal']}")
    print(f"{series['series_description']}: {len(analysis['slices'])} slices, {seconds:.1f} s")
    for label, probability in analysis["probabilities"].items():
        print(f"  {label:17} {probability:.3f}  {analysis['states'][label]}")


def _wait_for(ask: Callable[[], Any], enough: Callable[[Any], bool]) -> Any:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            answer = ask()
            if enough(answer):
                return answer
        except (HTTPError, URLError, ConnectionError) as error:
            answer = error
        if time.monotonic() > deadline:
            sys.exit(f"gave up after {PATIENCE_SECONDS} s: {answer}")
        time.sleep(0.5)


def _upload(browser: OpenerDirector, address: str, files: list[Path]) -> str:
    boundary = uuid.uuid4().hex
    parts = [("csrf_token", "", _csrf_token(browser, address).encode())]
    parts += [("files", file.name, file.read_bytes()) for file in files]
    body = b""
    for field, filename, content in parts:
        named = f'; filename="{filename}"' if filename else ""
        head = f'--{boundary}\r\nContent-Disposition: form-data; name="{field}"{named}\r\n\r\n'
        body += head.encode() + content + b"\r\n"
    body += f"--{boundary}--\r\n".encode()
    return _open(browser, address, body, f"multipart/form-data; boundary={boundary}")


def _csrf_token(browser: OpenerDirector, address: str) -> str:
    match = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', _open(browser, address))
    if match is None:
        sys.exit(f"no form on {address}")
    return match[1]


def _json(browser: OpenerDirector, address: str) -> Any:
    return json.loads(_open(browser, address))


def _open(
    browser: OpenerDirector,
    address: str,
    body: bytes | None = None,
    content_type: str = "application/x-www-form-urlencoded",
) -> str:
    request = Request(address, body, {"Content-Type": content_type})  # noqa: S310  # http by caller
    with browser.open(request, timeout=60) as response:
        return str(response.read().decode())


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
