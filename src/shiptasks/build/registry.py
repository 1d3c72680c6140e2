"""The registry's own API, as far as builds need it: is a digest there, and give it another tag.

BuildKit pushes; a tag is a second name of a manifest that lies in the registry already, and is given by putting that
very manifest again: the digest stays what it was (OCI distribution specification 1.1, "Pushing manifests").
"""

from __future__ import annotations

import base64
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from shiptasks.errors import Failed

if TYPE_CHECKING:
    import requests
    from docker import DockerClient

TIMEOUT = 30.0  # seconds for one answer
_HUB = "registry-1.docker.io"
_TYPES = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True)
class Stored:
    """A manifest as the registry has it."""

    digest: str
    type: str
    data: bytes


@dataclass
class Registry:
    """The registry of one image name. Raises Failed when it does not answer, or says no.

    `plain` is for registries that the engine has been told to trust without TLS. `credentials` are those of
    `docker login`; they and what they are exchanged for are never told.
    """

    host: str
    repository: str
    plain: bool = False
    credentials: tuple[str, str] | None = field(default=None, repr=False)
    _token: dict[str, str] = field(default_factory=dict, repr=False)

    def get(self, reference: str) -> Stored | None:
        """The manifest of a tag or digest; None when there is none."""
        answer = self._ask("GET", reference, "pull", {"Accept": _TYPES})
        if answer.status_code == 404:
            return None
        self._check(answer, reference)
        kind = answer.headers.get("Content-Type", "")
        return Stored(answer.headers.get("Docker-Content-Digest", ""), kind, answer.content)

    def put(self, tag: str, manifest: Stored) -> None:
        """Give a manifest that is there this tag."""
        answer = self._ask("PUT", tag, "pull,push", {"Content-Type": manifest.type}, manifest.data)
        self._check(answer, tag)
        digest = answer.headers.get("Docker-Content-Digest", manifest.digest)
        if digest != manifest.digest:
            raise Failed(
                f"the registry knows {self.host}/{self.repository}:{tag} by another digest than was pushed",
                details=(f"pushed {manifest.digest}", f"found {digest}"),
            )

    def _ask(
        self, method: str, reference: str, actions: str, headers: Mapping[str, str], data: bytes | None = None
    ) -> requests.Response:
        import requests

        scheme = "http" if self.plain else "https"
        url = f"{scheme}://{self.host}/v2/{self.repository}/manifests/{quote(reference, safe=':')}"
        try:
            answer = requests.request(
                method, url, data=data, headers={**headers, **self._bearer(actions)}, timeout=TIMEOUT
            )
            if answer.status_code == 401 and self._authorise(answer.headers.get("WWW-Authenticate", ""), actions):
                answer = requests.request(
                    method, url, data=data, headers={**headers, **self._bearer(actions)}, timeout=TIMEOUT
                )
        except requests.RequestException as error:
            raise Failed(
                f"the registry {self.host} does not answer: {type(error).__name__}",
                where=f"{self.host}/{self.repository}",
                hint=f"is it there? curl {scheme}://{self.host}/v2/",
            ) from None
        return answer

    def _bearer(self, actions: str) -> dict[str, str]:
        return {"Authorization": self._token[actions]} if actions in self._token else {}

    def _authorise(self, challenge: str, actions: str) -> bool:
        """Get what the registry's challenge asks for; False when nothing can be got."""
        import requests

        kind, _, rest = challenge.partition(" ")
        if kind.lower() == "basic":
            if self.credentials is None:
                return False
            encoded = base64.b64encode(":".join(self.credentials).encode()).decode("ascii")
            self._token[actions] = f"Basic {encoded}"
            return True
        if kind.lower() != "bearer":
            return False
        asked = dict(_CHALLENGE.findall(rest))
        query = {"service": asked.get("service", ""), "scope": f"repository:{self.repository}:{actions}"}
        answer = requests.get(asked.get("realm", ""), params=query, auth=self.credentials, timeout=TIMEOUT)
        if answer.status_code != 200:
            return False
        token: dict[str, Any] = answer.json()
        self._token[actions] = f"Bearer {token.get('token') or token.get('access_token', '')}"
        return True

    def _check(self, answer: requests.Response, reference: str) -> None:
        if answer.status_code < 300:
            return
        denied = answer.status_code in (401, 403)
        raise Failed(
            f"the registry {self.host} refuses {self.repository}:{reference}: {answer.status_code} {answer.reason}",
            where=f"{self.host}/{self.repository}",
            hint=f"docker login {self.host}" if denied else "",
        )


def registry_of(name: str, api: DockerClient) -> Registry:
    """The registry of an image name without tag, reached as the engine reaches it, with the logins of docker."""
    from docker import auth

    first, slash, rest = name.partition("/")
    is_host = slash and ("." in first or ":" in first or first == "localhost")
    host, repository = (first, rest) if is_host else ("docker.io", name if slash else f"library/{name}")
    known = auth.load_config().resolve_authconfig(host)
    credentials = None
    if known and known.get("Username"):
        credentials = (str(known["Username"]), str(known.get("Password") or ""))
    plain = _is_plain(host, api.info().get("RegistryConfig") or {})
    return Registry(_HUB if host == "docker.io" else host, repository, plain, credentials)


def _is_plain(host: str, config: Mapping[str, Any]) -> bool:
    """Whether the engine takes this registry without TLS: as configured, and always on loopback."""
    known = (config.get("IndexConfigs") or {}).get(host)
    if known is not None:
        return not known.get("Secure", True)
    name = host.rsplit(":", 1)[0]
    if name == "localhost":
        return True
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        return False
    ranges = [*(config.get("InsecureRegistryCIDRs") or ()), "127.0.0.0/8"]
    return any(address in ipaddress.ip_network(each, strict=False) for each in ranges)
