"""Conversations out of files, each format in a file of its own, into the one shape that the store takes.

Whatever a file says is hostile: sizes are bounded while it is read, times and titles are made sane, ids are only
names within the file, and what does not fit costs its own conversation and no other.
"""

from holdfast.transfer.read.files import read
from holdfast.transfer.read.item import Item, LeftOut, Part, Reason, Taken

__all__ = ["Item", "LeftOut", "Part", "Reason", "Taken", "read"]
