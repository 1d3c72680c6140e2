"""Packages of others: checks, notifiers, scanners and ways to a host, found by entry point (docs/plugins.md).

`discover` finds and makes them; `protocols` says what each has to be. verify, run, check and hosts use them.
"""
