"""The base images behave as their users expect, whether they were pulled or are stand-ins made from Debian packages."""

from __future__ import annotations

import json
import secrets
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.lab.proc import LabError, run

pytestmark = pytest.mark.usefixtures("lab_images")

Start = Callable[..., str]


@pytest.fixture
def start() -> Iterator[Start]:
    """Starts a container with these `docker run` words and returns its name; it is removed afterwards."""
    names: list[str] = []

    def begin(*words: str) -> str:
        names.append(f"lab-test-{secrets.token_hex(4)}")
        run(["docker", "run", "-d", "--name", names[-1], *words])
        return names[-1]

    yield begin
    if names:
        run(["docker", "rm", "-f", "-v", *names])


def inside(name: str, *argv: str, stdin: str | None = None) -> str:
    return run(["docker", "exec", "-i", name, *argv], stdin=stdin).stdout.strip()


def eventually(look: Callable[[], str], expected: str, seconds: float = 20) -> None:
    limit = time.monotonic() + seconds
    while True:
        try:
            seen = look()
            if expected in seen:
                return
        except (LabError, OSError) as error:
            seen = str(error)
        assert time.monotonic() < limit, f"expected {expected!r}, saw {seen!r}"
        time.sleep(0.1)


def inspect(name: str, what: str) -> object:
    return json.loads(run(["docker", "image", "inspect", "-f", f"{{{{json .Config.{what}}}}}", name]).stdout)


def published(name: str, port: int) -> str:
    return "http://" + run(["docker", "port", name, str(port)]).stdout.split()[0]


def get(address: str) -> str:
    with urllib.request.urlopen(address, timeout=2) as answer:
        return str(answer.read().decode())


def test_postgres_makes_user_database_and_runs_the_first_scripts(start: Start, tmp_path: Path) -> None:
    (tmp_path / "1.sql").write_text("CREATE TABLE ship (name text); INSERT INTO ship VALUES ('Argo');")
    (tmp_path / "password").write_text("it's a secret")
    tmp_path.chmod(0o755)
    words = ["-e", "POSTGRES_USER=captain", "-e", "POSTGRES_DB=harbour", "-e", "POSTGRES_PASSWORD_FILE=/run/password"]
    words += [
        "-v",
        f"{tmp_path}/1.sql:/docker-entrypoint-initdb.d/1.sql:ro",
        "-v",
        f"{tmp_path}/password:/run/password:ro",
    ]
    name = start(*words, "postgres:17")
    query = ("psql", "-h", address_of(name), "-U", "captain", "-d", "harbour", "-Atc", "SELECT name FROM ship")
    eventually(lambda: inside(name, "env", "PGPASSWORD=it's a secret", *query), "Argo")
    with pytest.raises(LabError, match="password authentication failed"):
        inside(name, "env", "PGPASSWORD=wrong", *query)
    assert "accepting connections" in inside(name, "pg_isready", "-U", "captain")
    assert inside(name, "stat", "-c", "%U %a", "/var/lib/postgresql/data") == "postgres 700"
    assert "CREATE TABLE" in inside(name, "pg_dump", "-U", "captain", "harbour")


def test_postgres_keeps_its_data_over_a_restart_and_stops_in_order(start: Start) -> None:
    name = start("-e", "POSTGRES_PASSWORD=x", "postgres:17")
    eventually(
        lambda: inside(name, "psql", "-h", "127.0.0.1", "-U", "postgres", "-c", "CREATE TABLE kept ()"), "CREATE"
    )
    run(["docker", "restart", name])
    eventually(lambda: inside(name, "psql", "-U", "postgres", "-Atc", "SELECT count(*) FROM kept"), "0")
    log = run(["docker", "logs", name]).stderr
    assert "received fast shutdown request" in log
    assert "was not properly shut down" not in log
    assert inspect("postgres:17", "StopSignal") == "SIGINT"


def test_postgres_without_a_password_refuses_to_start(start: Start) -> None:
    name = start("postgres:17")
    assert run(["docker", "wait", name]).stdout.strip() == "1"
    assert "superuser password is not specified" in run(["docker", "logs", name]).stderr


def test_redis_answers_other_containers_and_keeps_data_as_its_own_user(start: Start) -> None:
    name = start("redis:7", "redis-server", "--appendonly", "yes")
    eventually(lambda: inside(name, "redis-cli", "ping"), "PONG")
    other = start("redis:7", "sleep", "60")
    assert inside(other, "redis-cli", "-h", address_of(name), "set", "key", "value") == "OK"
    assert inside(name, "stat", "-c", "%U", "/proc/1") == "redis"
    run(["docker", "restart", name])
    eventually(lambda: inside(name, "redis-cli", "get", "key"), "value")


def test_haproxy_reloads_without_stopping(start: Start, tmp_path: Path) -> None:
    config = tmp_path / "haproxy.cfg"
    text = (
        "global\n  stats socket ipv4@127.0.0.1:9999 level admin\n"
        "defaults\n  mode http\n  timeout connect 1s\n  timeout client 5s\n  timeout server 5s\n"
        'frontend f\n  bind :8080\n  http-request return status 200 content-type text/plain string "{}"\n'
    )
    tmp_path.chmod(0o755)
    config.write_text(text.format("one"))
    name = start("-v", f"{tmp_path}:/usr/local/etc/haproxy:ro", "-p", "127.0.0.1::8080", "haproxy:3.0")
    address = published(name, 8080)
    eventually(lambda: get(address), "one")
    config.write_text(text.format("two"))
    run(["docker", "kill", "-s", "USR2", name])
    eventually(lambda: get(address), "two")
    assert run(["docker", "inspect", "-f", "{{.RestartCount}} {{.State.Running}}", name]).stdout.split() == [
        "0",
        "true",
    ]
    assert inside(name, "id", "-un") == "haproxy"
    assert inside(name, "id", "-u") == "99"
    # No tool of the host's is needed to talk to it: bash has sockets.
    ask = "exec 3<>/dev/tcp/127.0.0.1/9999; cat >&3; cat <&3"
    assert inside(name, "bash", "-c", ask, stdin="show version\n").startswith("3.0")
    assert inspect("haproxy:3.0", "StopSignal") == "SIGUSR1"


def test_nginx_serves_files_templates_and_logs_to_the_engine(start: Start, tmp_path: Path) -> None:
    (tmp_path / "html").mkdir()
    (tmp_path / "html" / "index.html").write_text("hello from a file")
    (tmp_path / "x.conf.template").write_text("server { listen 81; location / { return 200 '${GREETING}$uri'; } }")
    tmp_path.chmod(0o755)
    words = ["-v", f"{tmp_path}/html:/usr/share/nginx/html:ro", "-e", "GREETING=hallo"]
    words += ["-v", f"{tmp_path}/x.conf.template:/etc/nginx/templates/x.conf.template:ro", "-p", "127.0.0.1::80"]
    name = start(*words, "nginx:1.26")
    eventually(lambda: get(published(name, 80)), "hello from a file")
    assert inside(name, "curl", "-fsS", "http://localhost:81/path") == "hallo/path"
    assert '"GET / HTTP/1.1" 200' in run(["docker", "logs", name]).stdout
    assert inside(name, "id", "-u", "nginx") == "101"
    assert inspect("nginx:1.26", "StopSignal") == "SIGQUIT"


def test_python_installs_where_the_official_image_does(start: Start) -> None:
    name = start("python:3.13-slim", "sleep", "60")
    assert inside(name, "python", "-c", "import sys; print(sys.prefix, sys.version_info[:2])") == "/usr/local (3, 13)"
    where = "import sysconfig; print(sysconfig.get_path('purelib'), sysconfig.get_path('scripts'))"
    assert inside(name, "python", "-c", where) == "/usr/local/lib/python3.13/site-packages /usr/local/bin"
    assert "/usr/local" in inside(name, "pip", "--version")
    inside(name, "python", "-m", "venv", "/opt/venv")
    assert inside(name, "/opt/venv/bin/python", "-c", "import sys; print(sys.prefix)") == "/opt/venv"
    assert inside(name, "/opt/venv/bin/pip", "--version")


def address_of(name: str) -> str:
    return run(["docker", "inspect", "-f", "{{.NetworkSettings.IPAddress}}", name]).stdout.strip()
