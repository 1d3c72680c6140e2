"""`python -m shop_worker`: process orders until SIGTERM or SIGINT, finish the current one, exit with 0."""

from __future__ import annotations

import logging
import os
import signal

from shop_worker.heartbeat import beat
from shop_worker.orders import Orders
from shop_worker.queue import Queue
from shop_worker.worker import Worker


def main() -> None:
    missing = [name for name in ("DATABASE_URL", "REDIS_URL") if not os.environ.get(name)]
    if missing:
        raise SystemExit(f"shop-worker: {' and '.join(missing)} must be set in the environment")
    logging.basicConfig(
        level=(os.environ.get("LOG_LEVEL") or "INFO").upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    queue, orders = Queue(os.environ["REDIS_URL"]), Orders(os.environ["DATABASE_URL"])
    worker = Worker(queue, orders, beat)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.stop())

    logging.info("shop-worker %s: started", os.environ.get("APP_VERSION") or "dev")
    try:
        worker.run()
    finally:
        orders.close()
        queue.close()
    logging.info("stopped")


if __name__ == "__main__":
    main()
