"""The lab: a real engine, a real registry and real SSH hosts with engines of their own, on one Linux machine.

The lab's own code uses the standard library only, so that it runs before anything is installed. See lab.py.
"""
