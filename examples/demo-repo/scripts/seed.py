"""Places a few orders in a running shop: `python scripts/seed.py http://localhost:8080 3`."""

from __future__ import annotations

import json
import sys
import urllib.request


def call(url: str, body: object = None) -> dict:
    """The JSON that the shop answers to GET, or to POST if there is a body."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=10) as response:
        return json.load(response)


def main(base: str, count: int) -> None:
    products = call(f"{base}/api/products")["products"]
    for number in range(count):
        product = products[number % len(products)]
        order = call(f"{base}/api/orders", {"product_id": product["id"], "quantity": 1})
        print(f"order {order['id']}: {product['name']}")


if __name__ == "__main__":
    try:
        main(sys.argv[1].rstrip("/"), int(sys.argv[2]))
    except OSError as error:
        sys.exit(f"the shop does not take orders: {error}")
