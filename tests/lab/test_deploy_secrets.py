"""A secret of the environment file reaches its container, and nobody else's eyes on the way."""

from __future__ import annotations

import secrets
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.deploy_product import COMPOSE, Product, made


@pytest.fixture(scope="module")
def product(lab_images: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    del lab_images
    with made(tmp_path_factory.mktemp("secrets"), environment='env-file = ".env.local"') as product:
        yield product


class Watch:
    """Looks at every process's command line and environment again and again, as another user's `ps` might."""

    def __init__(self, value: str) -> None:
        self._value = value.encode()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.seen: set[bytes] = set()
        self.looks = 0

    def _look(self) -> None:
        while not self._over.is_set():
            for path in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    line = path.read_bytes()
                except OSError:
                    continue
                if self._value in line:
                    self.seen.add(line)
            self.looks += 1
            time.sleep(0.005)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def test_secret_reaches_its_container_and_nothing_else(product: Product) -> None:
    # With characters that shells, Compose, JSON and YAML each read in their own way.
    value = f"s{secrets.token_hex(8)}'\"$x%\\n{{}}#&;"
    env = product.root / ".env.local"
    env.write_text(f"POSTGRES_PASSWORD='{value.replace(chr(39), '')}'\nGREETING=hello world\n")
    value = value.replace("'", "")
    core = value[:17]
    product.build("1.0.0")
    product.build("1.1.0", start="crashes")

    said = []
    with Watch(core) as watch:
        for words in (("deploy", "--version=1.0.0"), ("deploy", "--version=1.1.0", "--debug"), ("status",)):
            ended = product.inv(words[0], *words[1:])
            assert ended.code == (4 if "1.1.0" in str(words) else 0), ended
            said.append(ended.text)
        for words in (("deploy", "--version=1.1.0", "--format=json"), ("status", "--format=json")):
            said.append(product.inv(words[0], *words[1:]).text)
    assert watch.looks > 50
    assert not watch.seen
    assert core not in "".join(said)
    logs = [path for path in (product.root / ".shiptasks" / "runs").rglob("*") if path.is_file()]
    assert logs
    assert not [path for path in logs if core in path.read_text()]

    name = next(name for name in product.observed().names if "-api-" in name)
    inside = product.host.docker("exec", name, "printenv", "PASSWORD").rstrip("\n")
    assert inside == value
    assert product.host.docker("exec", name, "printenv", "GREETING") == "hello world\n"

    base = Path(product.host.base)
    holding = [path for path in base.rglob("*") if path.is_file() and core in path.read_text()]
    assert [path.name for path in holding] == [".env"]
    assert stat.S_IMODE(holding[0].stat().st_mode) == 0o600


def test_the_application_cannot_print_its_secret_into_our_output(product: Product) -> None:
    value = secrets.token_hex(12)
    (product.root / ".env.local").write_text(f"export POSTGRES_PASSWORD={value}\n")
    product.compose = COMPOSE.replace(
        "stop_grace_period: 5s\n    environment",
        'stop_grace_period: 5s\n    command: ["sh", "-c", "echo leak: $$PASSWORD; exit 3"]\n    environment',
    )
    product.configure()
    ended = product.inv("deploy", "--version=1.0.0")
    assert ended.code == 4, ended
    assert "leak: ***" in ended.text, ended
    assert value not in ended.text
    assert value not in product.run_log()
