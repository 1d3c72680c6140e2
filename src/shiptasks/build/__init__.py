"""Images of the services at one version: `plan` says what would be built, `bake.build` builds it, `manifest` keeps it."""
