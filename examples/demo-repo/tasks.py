"""The shop's tasks: all of shiptasks', and one of its own."""

from __future__ import annotations

import json
import urllib.request

import shiptasks
from invoke import task

ns = shiptasks.namespace()


@task(help={"env": "environment whose shop gets the orders", "count": "how many"})
def seed(_c, env="local", count=3):
    """Place a few demonstration orders in a running shop."""
    url = shiptasks.load(environment=env).target.url.rstrip("/")
    with urllib.request.urlopen(f"{url}/api/products", timeout=10) as response:
        products = json.load(response)["products"]
    for number in range(count):
        product = products[number % len(products)]
        body = json.dumps({"product_id": product["id"], "quantity": 1}).encode()
        request = urllib.request.Request(
            f"{url}/api/orders", data=body, headers={"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=10) as response:
            print(f"order {json.load(response)['id']}: {product['name']}")


ns.add_task(seed)
