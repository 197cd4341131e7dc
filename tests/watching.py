"""Follows an instance refresh by a look behind the door: thousands of calls would be slow."""

from __future__ import annotations

from world import World

Seen = list[tuple[int, str, int]]


def watched(world: World, limit: int = 7200, *, pool: bool = False) -> tuple[Seen, int, int]:
    """Follow a refresh to its end: changes (second, status, percent), lowest number ready, highest total.

    The numbers are those of the live group, or of its warm pool. New instances are ready when they are warm, old ones
    always; a live one must pass its health checks.
    """
    (group,) = world.cloud._state.groups.values()
    refresh = group.refreshes[0]
    seen: Seen = []
    lowest, highest = 999, 0
    for second in range(0, limit, 5):
        now, warmup = world.cloud.clock.now(), refresh.preferences.warmup
        side = group.side(warm=pool)
        ready = [
            member
            for member in side
            if not member.refresh or (member.in_service and now - member.in_service >= warmup)
            if pool or world.cloud.virtual.health("", member.instance, 0).state == "healthy"
        ]
        lowest, highest = min(lowest, len(ready)), max(highest, len(side))
        entry = (second, str(refresh.status), refresh.percentage)
        if not seen or seen[-1][1:] != entry[1:]:
            seen.append(entry)
        if not refresh.active:
            break
        world.wait(5)
    return seen, lowest, highest
