"""The lab: a real engine, a real registry and real SSH hosts with engines of their own, on one Linux machine.

Everything here uses the standard library only, so that it runs before anything is installed. See lab.py for up, down and status.
"""
