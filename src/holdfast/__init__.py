"""Holdfast: a self-hosted chat application in which a generation belongs to the server."""

from importlib.metadata import version

__version__ = version("holdfast")
