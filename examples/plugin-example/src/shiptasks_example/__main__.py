"""What the scanner runs: every FIXME below the current folder, as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path

found = [
    {"file": str(path), "line": number, "text": line.strip(), "loud": "!" in line}
    for path in sorted(Path().rglob(f"*{sys.argv[1]}"))
    if not any(part.startswith(".") for part in path.parts)
    for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
    if "FIXME" in line
]
print(json.dumps(found))
