from __future__ import annotations

import asyncio
import json

import pytest

from shop_api.catalogue import Catalogue


class Source:
    def __init__(self) -> None:
        self.calls = 0
        self.now = 100.0

    async def fetch(self) -> list[dict[str, int]]:
        self.calls += 1
        await asyncio.sleep(0)
        return [{"id": self.calls}]


@pytest.fixture
def source() -> Source:
    return Source()


def first_id(body: bytes) -> int:
    return json.loads(body)["products"][0]["id"]


def test_the_list_is_kept_until_it_is_too_old(source: Source) -> None:
    async def story() -> None:
        catalogue = Catalogue(source.fetch, ttl=5, clock=lambda: source.now)
        assert first_id(await catalogue.as_json()) == 1
        source.now += 4.9
        assert first_id(await catalogue.as_json()) == 1
        source.now += 0.1
        assert first_id(await catalogue.as_json()) == 2

    asyncio.run(story())


def test_many_readers_at_once_cost_one_query(source: Source) -> None:
    async def story() -> None:
        catalogue = Catalogue(source.fetch, ttl=5, clock=lambda: source.now)
        bodies = await asyncio.gather(*(catalogue.as_json() for _ in range(50)))
        assert {first_id(body) for body in bodies} == {1}

    asyncio.run(story())
    assert source.calls == 1


def test_a_failed_query_is_not_remembered(source: Source) -> None:
    async def story() -> None:
        answers = [ConnectionError("gone"), [{"id": 9}]]

        async def fetch() -> list[dict[str, int]]:
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

        catalogue = Catalogue(fetch, ttl=5, clock=lambda: source.now)
        with pytest.raises(ConnectionError):
            await catalogue.as_json()
        assert first_id(await catalogue.as_json()) == 9

    asyncio.run(story())
