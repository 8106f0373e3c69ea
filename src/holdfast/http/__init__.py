"""The web face: decode, authorise, call, encode. A file per noun; all routes stand in `routes`."""

from holdfast.http.face import build
from holdfast.http.parts import Parts

__all__ = ["Parts", "build"]
