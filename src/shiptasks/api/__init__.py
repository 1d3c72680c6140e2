"""The capabilities as Python: each module has `plan`, which changes nothing, and `apply`, which makes the plan true.

    from shiptasks.api import build, deploy

    project = shiptasks.load(c, "staging")
    with shiptasks.start(project, "ship", environment="staging") as run:
        build.apply(project, build.plan(project, push=True), run.bus)
        deploy.apply(deploy.plan(project, bus=run.bus), run.bus)

Without a bus nothing is told, and errors are raised all the same. These are what `inv` itself calls.
"""
