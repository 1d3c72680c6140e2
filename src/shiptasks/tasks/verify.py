"""`inv verify`: is what was deployed what runs and what answers?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shiptasks.tasks._task import project_of, task, words

if TYPE_CHECKING:
    from invoke.context import Context

    from shiptasks.config.model import Project
    from shiptasks.hosts.base import Host, Session
    from shiptasks.run.run import Run
    from shiptasks.verify import Expected


@task(
    group="Look",
    help={
        "service": "services to verify, separated by commas; everything when left out",
        "wait": "how long to look again until all is well, such as 60s",
        "verbose": "show what passed, too",
    },
)
def verify(
    c: Context, env: str = "", service: str = "", wait: str = "0s", verbose: bool = False, format: str = "text"
) -> None:
    """Check that what was deployed runs and answers."""
    from shiptasks.config import choose
    from shiptasks.config.values import Duration
    from shiptasks.errors import UsageError
    from shiptasks.run.run import start
    from shiptasks.tasks._hooks import hooks_of

    project = project_of(c, env, needs_env=True)
    services = words(service)
    for name in services:
        choose.service(project, name)
    try:
        seconds = Duration(wait)
    except ValueError as error:
        raise UsageError(f"--wait={wait}: {error}", now="nothing was run", hint="--wait=60s") from None
    with start(project, "verify", environment=env, format=format) as this:
        hooks = hooks_of(c, project, "verify", this.bus, project.hooks.verify)
        hooks.about(hosts=tuple(project.target.hosts))
        with hooks.around():
            _verify(this, project, seconds, services, verbose)


def _verify(this: Run, project: Project, seconds: float, services: tuple[str, ...], verbose: bool) -> None:
    from shiptasks.errors import Failed
    from shiptasks.hosts import connect
    from shiptasks.verify import run
    from shiptasks.verify.report import text

    hosts: dict[str, Host] = {address: connect(project, address) for address in project.target.hosts}
    try:
        expected = _expected(project, hosts)
        report = run(project, hosts, expected, this.bus, wait=seconds, services=services or None)
    finally:
        for host in hosts.values():
            host.close()
    releases = {address: {"version": one.version, "release": one.release} for address, one in expected.items()}
    this.result = {**report.to_dict(), "deployed": releases}
    this.summary = report.summary()
    if verbose or report.count("ok") < len(report.results):
        this.show(text(report, verbose=verbose))
    if not report.ok:
        env = project.environment
        raise Failed(
            f"verification of {env} failed: {report.summary()}",
            now=f"deployed is {', '.join(dict.fromkeys(one.version for one in expected.values()))}",
            hint=f"see above; inv rollback --env={env} takes the release before",
        )


def _expected(project: Project, hosts: dict[str, Host]) -> dict[str, Expected]:
    """What was deployed to each host, as the host itself tells. Raises Failed where nothing was."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(max_workers=16, thread_name_prefix="verify") as pool:
        found = pool.map(lambda address: _deployed(project, address, hosts[address]), hosts)
        return dict(zip(hosts, found, strict=True))


def _deployed(project: Project, address: str, host: Host) -> Expected:
    from shiptasks.deploy import expected, read_release
    from shiptasks.errors import Failed

    with host.session() as session:
        release = read_release(session, project, address)
        if release is None:
            raise Failed(
                f"nothing is deployed on {host.name}",
                where=f"environment {project.environment}",
                hint=f"inv deploy --env={project.environment}",
            )
        return expected(release, _stores(session, project, address, set(release.images)))


def _stores(session: Session, project: Project, address: str, apps: set[str]) -> tuple[str, ...] | None:
    """The other services of the release, from the file that pins it; None where it cannot be read."""
    import json

    from shiptasks.deploy.compose import FILES
    from shiptasks.deploy.layout import layout
    from shiptasks.hosts.base import quote
    from shiptasks.hosts.containers import PROXY

    path = f"{layout(project, address).current}/{FILES[1]}"
    result = session.run(f"cat {quote(path)}", check=False, timeout=30)
    lines = [line for line in result.stdout.splitlines() if not line.startswith("#")]
    try:
        services = json.loads("\n".join(lines))["services"]
    except (ValueError, KeyError, TypeError):
        return None
    return tuple(name for name in services if name not in apps and name != PROXY)
