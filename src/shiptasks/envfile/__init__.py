"""Environment files and the secrets that are merged into them: read, checked, made from a template."""
