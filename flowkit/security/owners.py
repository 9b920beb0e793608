"""Who answers for an interface: a tag of its instance, the service that AWS runs on it, or a name."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flowkit.inventory import Inventory

__all__ = ["owner_of"]

#: Tags that say who is responsible, in this order, whatever their case.
_TAGS = ("owner", "team", "contact", "costcenter", "cost-center", "project", "application", "app", "service")


def owner_of(inventory: Inventory | None, interface_id: str | None) -> str | None:
    """The owner by tag, else the owner that AWS lists for the interface, else a name; None where nothing is known."""
    interface = inventory.interface(interface_id) if inventory and interface_id else None
    if inventory is None or interface is None:
        return None
    instance = inventory.instance(interface.instance_id)
    tags = {name.lower(): value for name, value in (instance.tags if instance else {}).items()}
    tagged = next((f"{tags[name]} ({name})" for name in _TAGS if tags.get(name)), "")
    return tagged or interface.owner or (instance.name if instance else "") or interface.name or None
