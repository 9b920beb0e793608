"""The planted truth: what goes wrong, at places, ports, rates and times drawn from the seed."""

from __future__ import annotations

from flowkit.generate.incidents import cost, egress, performance, reach, reaching, security
from flowkit.generate.incidents.plan import Incident, Plan
from flowkit.generate.scene import Scene

__all__ = ["Incident", "plant"]


def plant(scene: Scene, attempt: int = 0) -> list[Incident]:
    """Add every incident to the scene, with the faults in rules and routes that make it possible.

    Raises LookupError when this attempt's draws leave an incident without a free host.
    """
    plan = Plan(scene, attempt)
    for room in (reach, security, performance, cost, reaching, egress):
        room.plant(plan)
    return plan.incidents
