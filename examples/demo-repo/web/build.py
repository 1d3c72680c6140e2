"""Builds the front end: assets get a name with a fingerprint of their content, the version is stamped in.

Usage: `python build.py SOURCE TARGET --version 1.2.3`
"""

from __future__ import annotations

import argparse
import hashlib
import html
import json
import shutil
from pathlib import Path

ASSETS = {".css", ".js", ".svg"}


def fingerprint(path: Path) -> str:
    """`app.js` becomes `app.3f2a9c01d4.js`: new content, new name, so browsers may keep it for ever."""
    digest = hashlib.sha256(path.read_bytes()).hexdigest()[:10]
    return f"{path.stem}.{digest}{path.suffix}"


def build(source: Path, target: Path, version: str) -> None:
    """Replace `target` with the finished site. Raises ValueError for an asset that no page uses."""
    shutil.rmtree(target, ignore_errors=True)
    assets = target / "assets"
    assets.mkdir(parents=True)

    pages = {page.name: page.read_text(encoding="utf-8") for page in sorted(source.glob("*.html"))}
    for asset in sorted(path for path in source.iterdir() if path.suffix in ASSETS):
        old, new = f'"{asset.name}"', f'"/assets/{fingerprint(asset)}"'
        if not any(old in text for text in pages.values()):
            raise ValueError(f"{asset}: no page refers to {old}")
        shutil.copyfile(asset, assets / fingerprint(asset))
        pages = {name: text.replace(old, new) for name, text in pages.items()}

    for name, text in pages.items():
        (target / name).write_text(text.replace("{{ version }}", html.escape(version)), encoding="utf-8")
    (target / "healthz.json").write_text(json.dumps({"status": "ok", "version": version}) + "\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("source", type=Path)
    parser.add_argument("target", type=Path)
    parser.add_argument("--version", default="dev")
    arguments = parser.parse_args()
    build(arguments.source, arguments.target, arguments.version)


if __name__ == "__main__":
    main()
