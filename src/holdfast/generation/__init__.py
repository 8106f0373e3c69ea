"""Run a generation: provider in, log out; and follow one from a cursor.

A generation belongs to the application, never to a request. What comes after an answer lives outside.
"""

from holdfast.generation.engine import Engine, Limits
from holdfast.generation.follow import Follower

__all__ = ["Engine", "Follower", "Limits"]
