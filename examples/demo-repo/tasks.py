"""The shop's tasks: all of shiptasks', and one of its own."""

from __future__ import annotations

import json
import urllib.request

import shiptasks
from shiptasks.tasks import project_of

ns = shiptasks.namespace()


@shiptasks.task(help={"count": "how many orders"})
def seed(c, env="local", count=3):
    """Place a few demonstration orders in a running shop."""
    url = project_of(c, env, needs_env=True).target.url.rstrip("/")
    try:
        products = call(f"{url}/api/products")["products"]
        for number in range(count):
            product = products[number % len(products)]
            order = call(f"{url}/api/orders", {"product_id": product["id"], "quantity": 1})
            print(f"order {order['id']}: {product['name']}")
    except OSError as error:
        raise shiptasks.Failed(
            f"the shop does not take orders: {error}", where=url, hint=f"inv verify --env={env}"
        ) from error


def call(url, body=None):
    """The JSON that the shop answers to GET, or to POST if there is a body."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response)
