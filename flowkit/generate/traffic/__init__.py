"""Ordinary traffic, of the kinds that look like trouble included. One module per neighbourhood."""

from __future__ import annotations

from flowkit.generate.scene import Scene
from flowkit.generate.traffic import analytics, inside, noise, operations, outside, web

__all__ = ["talk"]


def talk(scene: Scene) -> None:
    """Add a period of ordinary traffic to the scene."""
    for neighbourhood in (web, inside, outside, operations, analytics, noise):
        neighbourhood.talk(scene)
