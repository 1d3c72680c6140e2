"""The container's health check: exit 0 if /health answers 200. Standard library only, to start fast."""

from __future__ import annotations

import http.client
import os
import sys


def main() -> int:
    connection = http.client.HTTPConnection("127.0.0.1", int(os.environ.get("PORT") or 8000), timeout=2)
    try:
        connection.request("GET", "/health")
        response = connection.getresponse()
        print(response.status, response.read().decode(errors="replace"))
    except OSError as error:
        print(error)
        return 1
    return 0 if response.status == 200 else 1


if __name__ == "__main__":
    sys.exit(main())
