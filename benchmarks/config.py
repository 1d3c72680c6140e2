"""What reading a configuration costs with pydantic, msgspec, attrs with cattrs, and plain dataclasses, in one run.

`python benchmarks/config.py [rounds]` makes the same small model in each (50 services, 10 environments, a bound, a
pattern, unknown keys refused) and measures, in fresh processes taken in turn, the CPU time of the import and of the
validation, and what each says of four mistakes. msgspec and cattrs have to be installed: `pip install msgspec cattrs`.
"""

# ruff: noqa: E501 - programs as texts
from __future__ import annotations

import json
import statistics
import subprocess
import sys
from pathlib import Path

DATA = """
import time, sys
began = time.process_time()
def done(name): print(name, time.process_time() - began)
services = {f"app-{n}": {"context": f"app-{n}", "replicas": 2, "port": 8000 + n, "routes": ["/a", "/b"]} for n in range(50)}
data = {"project": "shop", "services": services, "environments": {f"env-{n}": {"hosts": ["deploy@web1"]} for n in range(10)}}
bad = {"project": 3, "services": {"api": {"replicas": 99, "prot": 1}}, "environments": {"x": {"hosts": "web1"}}}
"""
CASES = {
    "pydantic": """
from pydantic import BaseModel, ConfigDict, Field
class S(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
class Service(S):
    context: str = "."
    replicas: int = Field(1, ge=1, le=32)
    port: int | None = Field(None, ge=1, le=65535)
    routes: list[str] = []
class Environment(S):
    hosts: list[str] = ["local"]
class Project(S):
    project: str = Field(pattern="^[a-z0-9-]+$")
    services: dict[str, Service] = {}
    environments: dict[str, Environment] = {}
done("import")
Project.model_validate(data)
done("load")
try: Project.model_validate(bad)
except Exception as e: print("says", [(".".join(map(str, x["loc"])), x["msg"]) for x in e.errors()])
""",
    "msgspec": """
import msgspec
from typing import Annotated
class Service(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    context: str = "."
    replicas: Annotated[int, msgspec.Meta(ge=1, le=32)] = 1
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] | None = None
    routes: list[str] = []
class Environment(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    hosts: list[str] = msgspec.field(default_factory=lambda: ["local"])
class Project(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    project: Annotated[str, msgspec.Meta(pattern="^[a-z0-9-]+$")]
    services: dict[str, Service] = {}
    environments: dict[str, Environment] = {}
done("import")
msgspec.convert(data, Project)
done("load")
try: msgspec.convert(bad, Project)
except Exception as e: print("says", [str(e)])
""",
    "cattrs": """
import attrs, cattrs
def within(low, high):
    return attrs.validators.optional(attrs.validators.and_(attrs.validators.ge(low), attrs.validators.le(high)))
@attrs.frozen
class Service:
    context: str = "."
    replicas: int = attrs.field(default=1, validator=within(1, 32))
    port: int | None = attrs.field(default=None, validator=within(1, 65535))
    routes: list[str] = []
@attrs.frozen
class Environment:
    hosts: list[str] = ["local"]
@attrs.frozen
class Project:
    project: str = attrs.field(validator=attrs.validators.matches_re("^[a-z0-9-]+$"))
    services: dict[str, Service] = {}
    environments: dict[str, Environment] = {}
converter = cattrs.Converter(forbid_extra_keys=True)
done("import")
converter.structure(data, Project)
done("load")
try: converter.structure(bad, Project)
except BaseException as e: print("says", cattrs.transform_error(e))
""",
    "dataclasses, by hand": """
from dataclasses import dataclass
import re
@dataclass(frozen=True)
class Service:
    context: str = "."
    replicas: int = 1
    port: int | None = None
    routes: tuple = ()
@dataclass(frozen=True)
class Environment:
    hosts: tuple = ("local",)
@dataclass(frozen=True)
class Project:
    project: str
    services: dict
    environments: dict
done("import")
def load(data):
    assert re.fullmatch("[a-z0-9-]+", data["project"])
    services = {k: Service(**v) for k, v in data["services"].items()}
    assert all(1 <= s.replicas <= 32 and (s.port is None or 1 <= s.port <= 65535) for s in services.values())
    return Project(data["project"], services, {k: Environment(**v) for k, v in data["environments"].items()})
load(data)
done("load")
try: load(bad)
except Exception as e: print("says", [f"{type(e).__name__}: {e}"])
""",
}


def main(rounds: int = 15) -> None:
    measured: dict[str, dict[str, list[float]]] = {}
    said: dict[str, str] = {}
    for number in range(rounds + 1):
        for name, code in CASES.items():
            argv = [sys.executable, "-c", DATA + code]
            done = subprocess.run(argv, capture_output=True, text=True, check=False, cwd=Path(__file__).parent)
            if done.returncode:
                said[name] = done.stderr.strip().splitlines()[-1]
                continue
            for line in done.stdout.splitlines():
                word, _, rest = line.partition(" ")
                if word == "says":
                    said[name] = rest
                elif number:
                    measured.setdefault(name, {}).setdefault(word, []).append(float(rest) * 1000)
    print(f"{rounds} rounds, Python {sys.version.split()[0]}; CPU time, median, ms\n")
    for name in CASES:
        times = {word: statistics.median(values) for word, values in measured.get(name, {}).items()}
        if times:
            print(f"{name:<22} import {times['import']:6.1f}   validate {times['load'] - times['import']:6.1f}")
    print("\nWhat each says of four mistakes (3 for a name, 99 replicas, a key `prot`, a text for a list):")
    print(json.dumps(said, indent=2))


if __name__ == "__main__":
    main(*(int(word) for word in sys.argv[1:]))
