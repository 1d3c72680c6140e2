"""Real services for tests: containers that are started for a stage, and removed with their data after it.

`started` is the way in. Everything is labelled with its run and the run's lease, so that what a killed run leaves is
found by the next one (`shiptasks.run.leftovers`).
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

from shiptasks.check.images import fill, known
from shiptasks.check.ready import Begun, aside, check_stop, until_ready
from shiptasks.errors import Failed, Interrupted, Refused, UsageError
from shiptasks.run.engine import client, endpoint
from shiptasks.run.graph import side_by_side
from shiptasks.run.lease import Lease
from shiptasks.run.leftovers import (
    CHECK_LABEL,
    LEASE_LABEL,
    Tell,
    expect_containers,
    remove_containers,
    remove_orphans,
)

if TYPE_CHECKING:
    from docker import DockerClient

    from shiptasks.check.sections import Container

_GROUP_LABEL = "shiptasks.group"
_NOW = "no test was run"
_SILENCE = 60.0  # seconds: a registry out of reach may say nothing for many minutes
_ANYWHERE, _HERE = "0.0.0.0", "127.0.0.1"


@contextmanager
def started(containers: Mapping[str, Container], owner: Lease, tell: Tell) -> Iterator[dict[str, str]]:
    """Run the block with these containers, by name; it gets the variables that lead to them.

    Images that are missing are pulled. The containers start side by side, each on a free port of this machine that
    the engine picks (of the engine's host where that is another one), and the block begins when all are ready. At its
    end, whatever it is, they and their volumes are removed. `tell` takes a sentence on how it goes.

    Raises UsageError when two of them set one variable, Failed when no engine answers or one does not start, and
    Interrupted when the graph stops its steps meanwhile.
    """
    if not containers:
        yield {}
        return
    refuse_clashes(containers)
    with _engine() as api:
        remove_orphans(api, owner.folder.parents[1])
        note = expect_containers(owner.folder)
        group = _Group(api.api, owner, tell)
        try:
            yield group.start(containers)
        finally:
            problems = _remove(api, group.token)
            for problem in problems:
                tell(f"{problem}; the next check tries again")
            if not problems:
                note.unlink(missing_ok=True)


def refuse_clashes(containers: Mapping[str, Container]) -> None:
    """Raise UsageError when two of the containers lead to one variable."""
    seen: dict[str, str] = {}
    for name, container in containers.items():
        for variable in variables_of(container):
            first = seen.setdefault(variable, name)
            if first != name:
                raise UsageError(
                    f"the variable {variable} would lead to both containers, {first} and {name}",
                    where="[tool.shiptasks.containers]",
                    now=_NOW,
                    hint=f'give one of them another: variables = {{ OTHER_{variable} = "…" }}',
                )


def variables_of(container: Container) -> Mapping[str, str]:
    """The variables that lead to a container, with their placeholders."""
    image = known(container.image.repository)
    return container.variables or (image.variables if image else {})


def place(engine: str) -> tuple[str, str]:
    """For an engine at this endpoint: the address at which a published port is reached, and the one to publish on."""
    parts = urlsplit(engine)
    host = parts.hostname if parts.scheme in ("tcp", "http", "https", "ssh") else None
    if not host or host in ("localhost", "::1") or host.startswith("127."):
        return _HERE, _HERE
    return host, _ANYWHERE


def values_of(container: Container, password: str) -> tuple[dict[str, str], dict[str, str]]:
    """The placeholders' values, and the environment of the container.

    What the configuration says in `env` holds, also for the placeholders that stand for it.
    """
    image = known(container.image.repository)
    values = {"user": "test", "password": password, "database": "test"}
    env = {name: fill(text, values) for name, text in {**(image.env if image else {}), **container.env}.items()}
    for role, variable in (image.roles if image else {}).items():
        values[role] = env[variable]
    return values, env


def filled(text: str, values: Mapping[str, str], address: tuple[str, int]) -> str:
    """A variable's text with its placeholders replaced; in an address, names and passwords are quoted."""
    if "://" in text:
        values = {name: quote(value, safe="") for name, value in values.items()}
    host, port = address
    return fill(text, {"host": f"[{host}]" if ":" in host else host, "port": str(port), **values})


@contextmanager
def _engine() -> Iterator[DockerClient]:
    with ExitStack() as stack:
        try:
            api = stack.enter_context(client(now=_NOW))
        except Refused as refused:  # for a check, a stage that has failed: the others go on
            raise Failed(refused.what, where=refused.where, now=refused.now, hint=refused.hint) from refused
        yield api


def _remove(api: Any, token: str) -> list[str]:
    """Remove the containers of a group, also one whose making was not answered; what could not be, in words."""
    from docker.errors import DockerException
    from requests.exceptions import RequestException

    try:
        found = api.api.containers(all=True, filters={"label": f"{_GROUP_LABEL}={token}"})
    except (DockerException, RequestException) as error:
        return [f"containers cannot be removed: {error}"]
    return remove_containers(api, [each["Id"] for each in found])


class _Group:
    """Containers that are started together. `token` is on the label by which they are removed."""

    def __init__(self, api: Any, owner: Lease, tell: Tell) -> None:
        self.token = secrets.token_hex(6)
        self._api = api
        self._labels = {CHECK_LABEL: owner.run_id, LEASE_LABEL: owner.label, _GROUP_LABEL: self.token}
        self._tell = tell
        self._host, self._publish_on = place(endpoint())

    def start(self, containers: Mapping[str, Container]) -> dict[str, str]:
        """Start them; the variables that lead to them. Raises as `started` does."""
        functions = [partial(self._start, name, container) for name, container in containers.items()]
        outcomes = side_by_side(functions, jobs=len(functions))
        errors = [outcome.error for outcome in outcomes if outcome.error is not None]
        for error in sorted(errors, key=lambda each: isinstance(each, Interrupted)):
            raise error  # the first that was not only stopped because of another one
        found: dict[str, str] = {}
        for outcome in outcomes:
            found.update(outcome.value or {})
        return found

    def _start(self, name: str, container: Container) -> dict[str, str]:
        from docker.errors import DockerException
        from requests.exceptions import RequestException

        image = known(container.image.repository)
        values, env = values_of(container, secrets.token_hex(12))
        began = time.monotonic()
        try:
            info = self._image(name, str(container.image))
            check_stop(f"starting {name}")
            port = container.port or (image.port if image else 0)
            volumes = (info["Config"].get("Volumes") or {}) if image and image.in_memory else {}
            made = self._create(name, container, env, port, list(volumes))
            self._api.start(made)
            health = container.health or (image.health if image else ())
            begun = Begun(
                id=made,
                name=name,
                image=str(container.image),
                address=(self._host, self._published(made, port)),
                health=tuple(fill(word, {**values, "port": str(port)}) for word in health),
                ready=float(container.ready),
                secret=values["password"],
            )
            until_ready(self._api, begun)
        except (DockerException, RequestException) as error:
            raise Failed(
                f"the container {name} could not be started: {_reason(error)}", where=str(container.image), now=_NOW
            ) from error
        self._tell(f"{name} is ready after {time.monotonic() - began:.1f} s")
        return {key: filled(text, values, begun.address) for key, text in variables_of(container).items()}

    def _image(self, name: str, image: str) -> dict[str, Any]:
        """What the engine knows of an image, which is pulled when it is not there."""
        from docker.errors import DockerException, ImageNotFound

        try:
            return dict(self._api.inspect_image(image))
        except ImageNotFound:
            self._tell(f"pulling {image}")
        heard = time.monotonic()

        def pull() -> str:
            nonlocal heard
            for line in self._api.pull(image, stream=True, decode=True):
                heard = time.monotonic()
                if "error" in line:
                    return str(line["error"])
            return ""

        def meanwhile() -> None:
            check_stop(f"pulling {image}")
            if time.monotonic() - heard > _SILENCE:
                raise TimeoutError

        try:
            error = aside(pull, meanwhile)
        except TimeoutError:
            error = f"the registry has said nothing for {_SILENCE:g} s"
        except DockerException as problem:
            error = _reason(problem)
        if error:
            raise Failed(
                f"the image {image} cannot be pulled: {error}",
                where=f"[tool.shiptasks.containers.{name}]",
                now=_NOW,
                hint=f"docker pull {image}",
            )
        return dict(self._api.inspect_image(image))

    def _create(self, name: str, container: Container, env: dict[str, str], port: int, in_memory: list[str]) -> str:
        host_config = self._api.create_host_config(
            port_bindings={port: (self._publish_on, None)}, tmpfs=dict.fromkeys(in_memory, "")
        )
        made = self._api.create_container(
            str(container.image),
            command=list(container.command) or None,
            environment=env,
            labels=self._labels,
            name=f"shiptasks-{name}-{secrets.token_hex(3)}",
            ports=[port],
            host_config=host_config,
        )
        return str(made["Id"])

    def _published(self, container: str, port: int) -> int:
        """The port that the engine picked; 0 when the container has ended already, which is told by who waits."""
        bindings = self._api.inspect_container(container)["NetworkSettings"]["Ports"].get(f"{port}/tcp") or []
        return int(bindings[0]["HostPort"]) if bindings else 0


def _reason(error: Exception) -> str:
    """What the engine said, without the request that it said it to."""
    return str(getattr(error, "explanation", None) or error)
