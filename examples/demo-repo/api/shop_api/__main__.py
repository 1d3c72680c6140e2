"""`python -m shop_api`: serve until SIGTERM or SIGINT, finish what is in flight, exit with 0."""

from __future__ import annotations

import logging
import signal
import sys

import uvicorn

from shop_api.app import create_app
from shop_api.settings import Settings


def main() -> None:
    # uvicorn sends itself the signal again when it has shut down; this makes an orderly end exit with 0.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: sys.exit(0))

    settings = Settings.from_env()
    logging.basicConfig(level=settings.log_level, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    uvicorn.run(
        create_app(settings),
        host=settings.host,
        port=settings.port,
        log_config=None,
        access_log=False,  # the proxy in front keeps one
        server_header=False,
        timeout_keep_alive=75,  # longer than the proxy keeps idle connections, so that it closes first
        timeout_graceful_shutdown=10,
    )


if __name__ == "__main__":
    main()
