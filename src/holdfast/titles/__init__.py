"""Name a conversation after its first exchange, and again when its owner asks for that."""

from holdfast.titles.cleaning import clean, first_words
from holdfast.titles.naming import Titles

__all__ = ["Titles", "clean", "first_words"]
