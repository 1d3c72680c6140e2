"""The services' images at one version: `plan` says what would be built, `bake` builds it, `manifest` keeps it."""
