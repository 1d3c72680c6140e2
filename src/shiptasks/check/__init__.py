"""Lint and test: the commands of `[tool.shiptasks.lint]` and `[tool.shiptasks.test]`, side by side."""
