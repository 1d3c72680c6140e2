"""Processes the shop's orders in the background."""
