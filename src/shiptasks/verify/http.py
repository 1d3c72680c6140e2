"""One HTTP request, as a check makes it: TLS verified, bounded in time and size, never led to another host."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException, HTTPMessage
from typing import IO
from urllib.parse import urljoin, urlsplit

from shiptasks.errors import Failed

LIMIT = 65_536
"""Bytes of a body that are read."""


class NoAnswer(Exception):
    """There was no HTTP answer: refused, timed out, broken off, or not to be trusted. The text says which."""


class CannotAsk(Failed):
    """The request could not be made from here: nothing is known about the other side."""


@dataclass(frozen=True)
class Answer:
    """What came back. `seconds` is until the body had been read."""

    status: int
    body: bytes
    seconds: float


class _SameHost(urllib.request.HTTPRedirectHandler):
    max_redirections = 3

    def redirect_request(
        self, req: urllib.request.Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> urllib.request.Request | None:
        target = urlsplit(urljoin(req.full_url, newurl))
        if target.hostname != urlsplit(req.full_url).hostname:
            raise NoAnswer(f"{code} leads to another host: {target.scheme}://{target.netloc}")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def get(url: str, *, timeout: float) -> Answer:
    """GET `url`; every status is an answer. `timeout` in seconds for each wait.

    Raises NoAnswer, and CannotAsk when the name is not known here or there is no way to the network.
    """
    handlers: list[urllib.request.BaseHandler] = [_SameHost()]
    if _is_loopback(urlsplit(url).hostname or ""):
        handlers.append(urllib.request.ProxyHandler({}))  # no proxy can reach this machine's own loopback
    opener = urllib.request.build_opener(*handlers)
    request = urllib.request.Request(url, headers={"User-Agent": "shiptasks", "Connection": "close"})
    began = time.monotonic()
    try:
        try:
            response = opener.open(request, timeout=timeout)
        except urllib.error.HTTPError as error:
            response = error
        with response:
            body = response.read(LIMIT)
            return Answer(int(response.status), body, time.monotonic() - began)
    except urllib.error.URLError as error:
        raise _explained(error.reason, url, timeout) from error
    except (OSError, HTTPException, ValueError) as error:
        raise _explained(error, url, timeout) from error


def _explained(reason: object, url: str, timeout: float) -> Exception:
    if isinstance(reason, ssl.SSLCertVerificationError):
        return NoAnswer(f"the certificate is not valid: {reason.verify_message}")
    if isinstance(reason, ssl.SSLError):
        return NoAnswer(f"no TLS: {reason.reason or reason}")
    if isinstance(reason, socket.gaierror):
        return CannotAsk(
            f"the name {urlsplit(url).hostname} is not known on this machine", hint="check url, and the DNS"
        )
    if isinstance(reason, TimeoutError):
        return NoAnswer(f"no answer within {timeout:g} seconds")
    if isinstance(reason, ConnectionRefusedError):
        return NoAnswer("connection refused: nothing listens there")
    if isinstance(reason, ConnectionError):
        return NoAnswer("the connection was broken off")
    if isinstance(reason, OSError):
        return CannotAsk(f"no way to {urlsplit(url).hostname} from this machine: {reason.strerror or reason}")
    return NoAnswer(f"not an HTTP answer: {type(reason).__name__}: {reason}")


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
