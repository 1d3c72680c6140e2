"""Canaries from `[tool.shiptasks.secrets]` go through deploys, good and bad: only files of mode 0600 ever hold them."""

from __future__ import annotations

import base64
import secrets
import stat
from pathlib import Path
from urllib.parse import quote

import pytest

from tests.lab.deploy_product import made
from tests.lab.test_deploy_secrets import Watch

ENVIRONMENT = """env-file = ".env.local"
secrets.POSTGRES_PASSWORD = { command = ["cat", "outside/canary"] }
secrets.GREETING = { env = "CANARY_OF_CI" }"""


def test_canaries_are_nowhere_but_in_files_for_their_owner(lab_images: dict[str, str], tmp_path: Path) -> None:
    del lab_images
    password, greeting = (f"canary{secrets.token_hex(8)}/+{suffix}" for suffix in ("'\"$x %#\\", "é&="))
    forms = [form for value in (password, greeting) for form in (value[:22], quote(value, safe=""))]
    forms += [base64.b64encode(value.encode()).decode().rstrip("=")[:-1] for value in (password, greeting)]
    with made(tmp_path, environment=ENVIRONMENT) as product:
        (product.root / ".env.local").write_text("LOG_LEVEL=INFO\n")
        (product.root / ".env.local").chmod(0o600)
        (product.root / "outside").mkdir()
        (product.root / "outside" / "canary").touch(mode=0o600)
        (product.root / "outside" / "canary").write_text(f"{password}\n")
        product.build("1.0.0")
        product.build("1.1.0", start="crashes")
        said = []
        with Watch(password[:22]) as one, Watch(greeting[:22]) as other:
            for task, *words in (
                ("deploy", "--version=1.0.0", "--plan"),
                ("deploy", "--version=1.0.0"),
                ("deploy", "--version=1.1.0", "--debug"),
                ("deploy", "--version=1.1.0", "--format=json"),
                ("deploy", "--version=1.0.0", "--plan", "--format=json"),
                ("env", "--env=local", "--format=json"),
                ("config", "--env=local"),
                ("config", "--env=local", "--format=json"),
                ("status", "--format=json"),
            ):
                ended = product.inv(task, *words, CANARY_OF_CI=greeting)
                assert ended.code == (4 if "--version=1.1.0" in words else 0), ended
                said.append(ended.text)
        assert min(one.looks, other.looks) > 50
        assert not one.seen | other.seen
        assert not [form for form in forms if form in "".join(said)]

        name = next(name for name in product.observed().names if "-api-" in name)
        assert product.host.docker("exec", name, "printenv", "PASSWORD").rstrip("\n") == password

        holding = [
            path
            for path in product.root.rglob("*")
            if path.is_file() and any(form.encode() in path.read_bytes() for form in forms)
        ]
        assert {path.name for path in holding} == {".env", "canary"}
        assert {stat.S_IMODE(path.stat().st_mode) for path in holding} == {0o600}

        before = product.inv("deploy", "--version=1.0.0", "--plan", CANARY_OF_CI=greeting)
        (product.root / "outside" / "canary").write_text("canary-that-was-changed\n")
        after = product.inv("deploy", "--version=1.0.0", "--plan", CANARY_OF_CI=greeting)
        assert "nothing to do" in before.text
        assert "nothing to do" not in after.text

        refused = product.inv("deploy", "--version=1.0.0")
        assert refused.code == 2
        assert "the secret GREETING cannot be had: the variable CANARY_OF_CI is not set" in refused.text


pytestmark = pytest.mark.lab
