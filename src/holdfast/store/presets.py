"""Presets: those that an owner changed, and the one that is asked where none is named."""

import json
from collections.abc import Sequence
from typing import Final

from sqlalchemy import Connection, RowMapping, and_, bindparam, delete, insert, select, update

from holdfast.domain import OwnerId, Preset
from holdfast.store.database import Noun, reading, writing
from holdfast.store.schema import owners, presets

_mine = and_(presets.c.owner_id == bindparam("owner"), presets.c.preset_id == bindparam("number"))

_LIST: Final = select(presets).where(presets.c.owner_id == bindparam("owner")).order_by(presets.c.preset_id)
_DEFAULT: Final = select(owners.c.default_preset_id).where(owners.c.id == bindparam("owner"))
_ADD: Final = insert(presets)
_REMOVE: Final = delete(presets).where(_mine)
_CHOOSE: Final = update(owners).where(owners.c.id == bindparam("owner")).values(default_preset_id=bindparam("number"))


class Presets(Noun):
    """What an owner keeps in place of what is shipped."""

    @reading
    def list(self, connection: Connection, owner: OwnerId) -> tuple[Sequence[Preset], int | None]:
        """The changed ones, and the number of the default where one was chosen."""
        found = connection.execute(_LIST, {"owner": owner}).mappings()
        return [_preset(row) for row in found], connection.execute(_DEFAULT, {"owner": owner}).scalar()

    @writing()
    def put(self, connection: Connection, owner: OwnerId, preset: Preset) -> None:
        """Keep a preset under its number."""
        connection.execute(_REMOVE, {"owner": owner, "number": preset.id})
        values = {
            "owner_id": owner,
            "preset_id": preset.id,
            "name": preset.name,
            "model_id": preset.model_id,
            "fallback_model_ids": json.dumps(preset.fallback_model_ids),
            "system_prompt": preset.system_prompt,
            "parameters": json.dumps(preset.parameters),
        }
        connection.execute(_ADD, values)

    @writing()
    def remove(self, connection: Connection, owner: OwnerId, preset_id: int) -> None:
        """Go back to the shipped one."""
        connection.execute(_REMOVE, {"owner": owner, "number": preset_id})

    @writing()
    def choose_default(self, connection: Connection, owner: OwnerId, preset_id: int) -> None:
        """Ask this one where none is named."""
        connection.execute(_CHOOSE, {"owner": owner, "number": preset_id})


def _preset(row: RowMapping) -> Preset:
    return Preset(
        id=row["preset_id"],
        name=row["name"],
        model_id=row["model_id"],
        fallback_model_ids=tuple(json.loads(row["fallback_model_ids"])),
        system_prompt=row["system_prompt"],
        parameters=json.loads(row["parameters"]),
    )
