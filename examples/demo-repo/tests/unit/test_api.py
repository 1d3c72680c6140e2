from __future__ import annotations

import time
from collections.abc import Iterator

import psycopg
import pytest
from fastapi.testclient import TestClient

from shop_api.app import create_app
from shop_api.settings import Settings

SETTINGS = Settings(database_url="unused", redis_url="unused", version="1.2.3", warm_up=0.05, catalogue_ttl=0)


class FakeStore:
    """Data in memory; `up = False` is a database that does not answer."""

    def __init__(self) -> None:
        self.up = True
        self.closed = False
        self.orders: dict[int, dict[str, object]] = {}

    def _answer(self) -> None:
        if not self.up:
            raise psycopg.OperationalError("the connection is lost")

    async def open(self) -> None: ...

    async def close(self) -> None:
        self.closed = True

    async def ping(self) -> None:
        self._answer()

    async def products(self) -> list[dict[str, object]]:
        self._answer()
        return [{"id": 1, "name": "Candle", "description": "Beeswax", "price_cents": 990}]

    async def place_order(self, product_id: int, quantity: int) -> dict[str, object] | None:
        self._answer()
        if product_id != 1:
            return None
        number = len(self.orders) + 1
        self.orders[number] = {
            "id": number,
            "product_id": product_id,
            "quantity": quantity,
            "total_cents": 990 * quantity,
            "status": "pending",
        }
        return self.orders[number]

    async def order(self, order_id: int) -> dict[str, object] | None:
        self._answer()
        return self.orders.get(order_id)


@pytest.fixture
def store() -> FakeStore:
    return FakeStore()


@pytest.fixture
def client(store: FakeStore) -> Iterator[TestClient]:
    with TestClient(create_app(SETTINGS, store)) as client:
        yield client


def wait_for_health(client: TestClient, status_code: int, seconds: float = 5) -> dict[str, str]:
    deadline = time.monotonic() + seconds
    while (response := client.get("/health")).status_code != status_code:
        assert time.monotonic() < deadline, f"still {response.status_code} {response.text}"
        time.sleep(0.01)
    return response.json()


def test_health_is_503_until_the_catalogue_is_warm(client: TestClient) -> None:
    starting = client.get("/health")
    assert (starting.status_code, starting.json()) == (503, {"status": "starting", "version": "1.2.3"})
    assert wait_for_health(client, 200) == {"status": "ok", "version": "1.2.3"}


def test_health_follows_the_database(client: TestClient, store: FakeStore) -> None:
    wait_for_health(client, 200)
    store.up = False
    assert wait_for_health(client, 503) == {"status": "database unavailable", "version": "1.2.3"}
    store.up = True
    assert wait_for_health(client, 200)["status"] == "ok"


def test_a_process_that_starts_without_a_database_is_not_ready_until_there_is_one(store: FakeStore) -> None:
    store.up = False
    with TestClient(create_app(SETTINGS, store)) as client:
        time.sleep(SETTINGS.warm_up * 3)
        assert client.get("/health").json()["status"] == "starting"
        store.up = True
        wait_for_health(client, 200)


def test_products_are_listed(client: TestClient) -> None:
    response = client.get("/api/products")
    assert response.headers["content-type"] == "application/json"
    assert [product["name"] for product in response.json()["products"]] == ["Candle"]


def test_an_order_is_placed_and_found_again(client: TestClient) -> None:
    placed = client.post("/api/orders", json={"product_id": 1, "quantity": 3})
    assert placed.status_code == 201
    order = {"id": 1, "product_id": 1, "quantity": 3, "total_cents": 2970, "status": "pending"}
    assert placed.json() == order
    assert client.get("/api/orders/1").json() == order


@pytest.mark.parametrize("quantity", [0, -1, 101, "many", None])
def test_an_order_with_a_wrong_quantity_is_refused(
    client: TestClient, store: FakeStore, quantity: object
) -> None:
    assert client.post("/api/orders", json={"product_id": 1, "quantity": quantity}).status_code == 422
    assert store.orders == {}


def test_an_order_for_an_unknown_product_is_refused(client: TestClient, store: FakeStore) -> None:
    response = client.post("/api/orders", json={"product_id": 7})
    assert (response.status_code, response.json()) == (404, {"detail": "there is no product 7"})
    assert store.orders == {}


@pytest.mark.parametrize(
    ("order_id", "status_code"), [("99", 404), ("0", 422), (str(2**63), 422), ("x", 422)]
)
def test_an_unknown_order_is_not_found(client: TestClient, order_id: str, status_code: int) -> None:
    assert client.get(f"/api/orders/{order_id}").status_code == status_code


def test_every_route_answers_503_while_the_database_is_gone(client: TestClient, store: FakeStore) -> None:
    store.up = False
    for response in (
        client.get("/api/products"),
        client.get("/api/orders/1"),
        client.post("/api/orders", json={"product_id": 1}),
    ):
        assert (response.status_code, response.json()) == (503, {"detail": "database unavailable"})
        assert response.headers["retry-after"] == "1"


def test_the_store_is_closed_at_the_end(store: FakeStore) -> None:
    with TestClient(create_app(SETTINGS, store)):
        assert not store.closed
    assert store.closed
