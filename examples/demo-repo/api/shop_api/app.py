"""The API's routes, and what lives as long as the process does."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Annotated

import psycopg
from fastapi import FastAPI, HTTPException, Path, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from shop_api.catalogue import Catalogue
from shop_api.health import Readiness
from shop_api.settings import Settings
from shop_api.store import PostgresStore, Store

OrderId = Annotated[int, Path(ge=1, lt=2**63)]


class NewOrder(BaseModel):
    product_id: int = Field(ge=1, lt=2**31)
    quantity: int = Field(default=1, ge=1, le=100)


class Order(BaseModel):
    id: int
    product_id: int
    quantity: int
    total_cents: int
    status: str


def create_app(settings: Settings, store: Store | None = None) -> FastAPI:
    store = store or PostgresStore(settings)
    catalogue = Catalogue(store.products, ttl=settings.catalogue_ttl)
    readiness = Readiness(catalogue.as_json, store.ping, warm_up=settings.warm_up)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await store.open()
        watcher = asyncio.create_task(readiness.watch())
        yield
        watcher.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watcher
        await store.close()

    app = FastAPI(title="shop", version=settings.version, lifespan=lifespan)

    @app.exception_handler(psycopg.OperationalError)
    async def database_gone(_request: Request, _error: Exception) -> JSONResponse:
        return JSONResponse({"detail": "database unavailable"}, status_code=503, headers={"Retry-After": "1"})

    @app.get("/health")
    async def health() -> JSONResponse:
        body = {"status": readiness.status, "version": settings.version}
        return JSONResponse(body, status_code=200 if readiness.ready else 503)

    @app.get("/api/products")
    async def products() -> Response:
        return Response(await catalogue.as_json(), media_type="application/json")

    @app.post("/api/orders", status_code=201)
    async def place_order(new: NewOrder) -> Order:
        order = await store.place_order(new.product_id, new.quantity)
        if order is None:
            raise HTTPException(404, f"there is no product {new.product_id}")
        return Order(**order)

    @app.get("/api/orders/{order_id}")
    async def order(order_id: OrderId) -> Order:
        found = await store.order(order_id)
        if found is None:
            raise HTTPException(404, f"there is no order {order_id}")
        return Order(**found)

    return app
