"""Run a generation: provider in, log out; and follow one from a cursor.

A generation belongs to the application, never to a request. What comes after an answer lives outside.
"""

from holdfast.generation.engine import Engine, Limits
from holdfast.generation.follow import Follower
from holdfast.generation.watch import Watch

__all__ = ["Engine", "Follower", "Limits", "Watch"]
