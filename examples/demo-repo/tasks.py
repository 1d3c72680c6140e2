"""The shop's tasks: shiptasks', one of its own, one replaced, and a hook (see pyproject.toml)."""

import shiptasks
from shiptasks import tasks

ns = shiptasks.namespace()


@shiptasks.task(help={"count": "how many orders"})
def seed(c, env: str = "local", count: int = 3):
    """Place a few demonstration orders in a running shop."""
    c.run(f"python3 scripts/seed.py {shiptasks.load(c, env).target.url} {count}")


@shiptasks.task(like=tasks.down)
def down(c, env="", volumes=False, **options):
    """Take the shop off the hosts; never the data of production."""
    tasks.down(c, env=env, volumes=volumes and env != "production", **options)


@shiptasks.task
def announce(c, hook: shiptasks.HookContext | None = None):
    """Say which version serves."""
    print(f"*** shop {hook.version} serves on {hook.environment}" if hook else "I am a hook")
