"""First contact: looks at a repository and proposes its configuration. `look` -> `propose` -> `write`."""
