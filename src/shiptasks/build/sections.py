"""The configuration of building, as far as a service has its own."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, model_validator

from shiptasks.config.buildtypes import (
    Bucket,
    BuilderEndpoint,
    BuilderName,
    EnvironmentVariable,
    OptionName,
    Platforms,
    Repository,
    SecretId,
    SshForwards,
    UserName,
)
from shiptasks.config.section import Section
from shiptasks.config.suggest import did_you_mean
from shiptasks.config.types import (
    ArgumentName,
    Conflicts,
    LocalPath,
    RelativePath,
    SecretInPlainText,
    StageName,
    Table,
    Url,
    Words,
    frozen,
)
from shiptasks.config.values import Size

POLICY_RULES = (
    "D6-dockerignore",
    "D6-digest",
    "D6-healthcheck",
    "D6-latest",
    "D6-path",
    "D6-slim",
    "D6-stages",
    "D6-user",
)
"""What the policy looks at; `build/policyrules.py` says each."""

_OTHERS_RULE = re.compile(r"(?:DL|SC)[0-9]{4}")


def _check_rule(value: str) -> str:
    if value not in POLICY_RULES and not _OTHERS_RULE.fullmatch(value):
        near = did_you_mean(value, POLICY_RULES)
        raise ValueError(
            f"expected one of {', '.join(POLICY_RULES)}, or a rule of hadolint such as DL3008 {near}".rstrip()
        )
    return value


def _check_reason(value: str) -> str:
    if not value.strip():
        raise ValueError("expected the reason, for those who come later")
    return value


IgnoredRules = Table[Annotated[str, AfterValidator(_check_rule)], Annotated[str, AfterValidator(_check_reason)]]


class Policy(Section):
    """`[tool.shiptasks.build.policy]`: what is asked of Dockerfiles before anything is built."""

    fail: Literal["high", "medium", "low", "never"] = "never"
    """Findings of this severity and above stop the build; others are shown. A missing path always stops it."""
    ignore: IgnoredRules = frozen()
    """Rules that do not hold here, each with the reason: `D6-healthcheck = "the worker has no port"`."""
    hadolint: bool = True
    """Ask hadolint as well, where it is installed: its errors and warnings are findings of the policy."""


_CREDENTIALS = ("access-key-id", "secret-access-key", "session-token", "account-key", "password", "token")
_FROM_WHERE = 'say where it comes from: { env = "NAME" } or { file = "path" }'


def _refuse_plain(value: Any) -> Any:
    if not isinstance(value, (dict, BuildSecret)):
        raise SecretInPlainText(f"a secret must not be written here, where everyone reads it; {_FROM_WHERE}")
    unknown = [key for key in value if key not in ("env", "file")] if isinstance(value, dict) else []
    if unknown:
        raise SecretInPlainText(f"unknown key `{unknown[0]}`; {_FROM_WHERE}")
    return value


CacheKind = Literal["auto", "registry", "gha", "local", "inline", "s3", "azblob", "none"]


class BuildSecret(Section):
    """`[tool.shiptasks.services.<name>.build-secrets.<id>]`: where a secret of the build comes from, one of the two."""

    env: EnvironmentVariable | None = None
    """Variable of the process environment, such as one that CI sets."""
    file: LocalPath | None = None
    """File, relative to pyproject.toml; the whole of it is the secret. Not tracked by git."""

    @model_validator(mode="after")
    def _one_source(self) -> BuildSecret:
        if (self.env is None) == (self.file is None):
            raise SecretInPlainText(f"expected exactly one of env and file; {_FROM_WHERE}")
        return self


BuildSecrets = Table[SecretId, Annotated[BuildSecret, BeforeValidator(_refuse_plain)]]


class BuildCache(Section):
    """`[tool.shiptasks.build.cache]`: where BuildKit's cache is kept between builds; `cache = "registry"` in short."""

    text_key = "type"

    type: CacheKind = "auto"
    """Kind of the cache; `"auto"` takes the best that is there, and says which and why."""
    mode: Literal["max", "min"] = "max"
    """`"max"` keeps the layers of all stages, `"min"` those of the final image."""
    ref: Repository | None = None
    """Repository for the cache of kind `"registry"`; the image's own when left out."""
    bucket: Bucket = ""
    """Bucket of S3, or container of Azure Blob Storage."""
    region: str = ""
    """Region of the bucket of S3."""
    endpoint_url: Url = ""
    """Address of a store that speaks S3, such as MinIO."""
    use_path_style: bool = False
    """The bucket is in the path of S3 addresses instead of the host name, as MinIO needs it."""
    account_url: Url = ""
    """Address of the storage account of Azure: `"https://shop.blob.core.windows.net"`."""
    prefix: str = ""
    """What the names of objects in the bucket begin with, such as `"shop/"`."""

    @model_validator(mode="before")
    @classmethod
    def _no_credentials(cls, value: Any) -> Any:
        if isinstance(value, dict) and any(str(key).replace("_", "-") in _CREDENTIALS for key in value):
            raise SecretInPlainText("credentials of a cache come from the environment, such as AWS_SECRET_ACCESS_KEY")
        return value

    @model_validator(mode="after")
    def _whole(self) -> BuildCache:
        if "?" in self.account_url:
            raise SecretInPlainText("an address must not hold a signature: everyone reads it here, and in logs")
        needs = {"s3": ("bucket", "region"), "azblob": ("bucket", "account_url")}.get(self.type, ())
        missing = [name.replace("_", "-") for name in needs if not getattr(self, name)]
        if missing:
            raise Conflicts((("type",), f"a cache of kind {self.type} needs `{'` and `'.join(missing)}`"))
        return self


class Builder(Section):
    """`[tool.shiptasks.build.builder]`: the builder of buildx that builds; `builder = "name"` in short."""

    text_key = "name"

    name: BuilderName | None = None
    """Name of the builder, as `docker buildx ls` shows it; the one in use when left out."""
    driver: Literal["docker-container", "remote", "kubernetes"] | None = None
    """Driver with which the builder is created when it is not there yet; it is expected to be there when left out."""
    endpoint: BuilderEndpoint | None = None
    """Where it is: address of the BuildKit daemon for `"remote"`; a docker context for `"docker-container"`."""
    options: Table[OptionName, str] = frozen()
    """Options of the driver, as `docker buildx create` takes them."""

    @model_validator(mode="after")
    def _whole(self) -> Builder:
        if self.driver is not None and self.name is None:
            raise Conflicts((("driver",), "a builder that is to be created needs a `name`"))
        if self.driver is None and (self.endpoint or self.options):
            key = "endpoint" if self.endpoint else "options"
            raise Conflicts(((key,), f"`{key}` is for a builder that is created: it needs a `driver`"))
        if self.driver == "remote" and not self.endpoint:
            raise Conflicts(
                (("driver",), 'a remote builder needs an `endpoint`, such as "tcp://build.example.com:1234"')
            )
        return self


class Login(Section):
    """`[tool.shiptasks.build.login]`: who logs in to the registry before images are pushed; nobody when left out."""

    user: UserName | None = None
    """Name of the user."""
    password_env: EnvironmentVariable | None = None
    """Variable of the process environment that holds the password or token. Never the password itself."""

    @model_validator(mode="after")
    def _whole(self) -> Login:
        if (self.user is None) != (self.password_env is None):
            raise Conflicts(((), "a login needs both `user` and `password-env`"))
        return self


class ServiceImage(Section):
    """What `[tool.shiptasks.services.<name>]` says of building the service."""

    context: RelativePath = "."
    """Folder that the image is built from, relative to pyproject.toml."""
    dockerfile: RelativePath | None = None
    """Dockerfile, relative to pyproject.toml; `<context>/Dockerfile` when left out."""
    target: StageName | None = None
    """Stage of the Dockerfile to build; the last one when left out."""
    args: Table[ArgumentName, str] = frozen()
    """Build arguments. `VERSION` is always passed. Not for secrets: they stay in the image's history."""
    platforms: Platforms = ()
    """Platforms of the image; that of the builder when left out."""
    build_secrets: BuildSecrets = frozen()
    """Secrets that `RUN --mount=type=secret,id=…` of the Dockerfile reads: where each comes from, by its id."""
    ssh: SshForwards = ()
    """What `RUN --mount=type=ssh` gets: `"default"` is the SSH agent; `"github=~/.ssh/id_ed25519"` a key."""
    budget: Size | None = None
    """Largest size that the image may have on a host, unpacked."""


class Build(Section):
    """`[tool.shiptasks.build]`: how images are built."""

    tags: Words = ()
    """Rules for tags, such as `"type=semver,pattern={{version}}"`: [Build](build.md#tags-and-labels)."""
    flavor: Words = ()
    """What goes for all tags: `"latest=false"`, `"prefix=dev-"`, `"suffix=-alpine,onlatest=true"`."""
    labels: Table[str, str] = frozen()
    """Labels of all images besides those that are known by themselves; templates such as `{{branch}}` are filled in."""
    cache: BuildCache = BuildCache()
    """Where the cache is kept between builds."""
    builder: Builder = Builder()
    """The builder that builds."""
    login: Login = Login()
    """Who logs in to the registry before images are pushed."""
    provenance: Literal["none", "min", "max"] = "none"
    """How an image says how it was built: an attestation of SLSA provenance. It holds the time: no two are the same."""
    sbom: bool = False
    """Attach a list of the packages in the image, made by a scanner that BuildKit fetches from Docker Hub."""
    over_budget: Literal["fail", "warn"] = "fail"
    """What an image does that is larger than the `budget` of its service."""
    policy: Policy = Policy()
    """What is asked of Dockerfiles before anything is built."""
