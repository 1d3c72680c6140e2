"""The lab's network: one bridge in the machine's own namespace, and a network namespace with a cable for each host."""

from __future__ import annotations

# An engine of the lab talks plain HTTP to registries in these; the second is for when the first is taken.
POOLS = ("10.213.0.0/16", "198.18.0.0/16")
