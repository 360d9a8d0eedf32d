"""What a fleet's pools and shards have come to so far, as plain numbers by name."""

from __future__ import annotations

from typing import Any

from engine.core.core import Core
from engine.core.mail import Mail


def stats(core: Core, mail: Mail) -> dict[str, Any]:
    """Counts since the run began, and sizes now. Times are in seconds."""
    return {
        "pools": {pool.name: _pool(core, number) for number, pool in enumerate(core.pools)},
        "spawn": {"asked": core.spawned, "failed": core.spawn_failures, "now": core.starting},
        "messages": {
            "sent": mail.sent, "delivered": mail.delivered, "redelivered": mail.redelivered, "dropped": mail.dropped,
        },
    }  # fmt: skip


def _pool(core: Core, number: int) -> dict[str, Any]:
    pool = core.pools[number]
    misses = pool.waits + pool.colds
    mean = sum(shard.sent for shard in pool.shards) / len(pool.shards)
    return {
        "size": pool.wanted, "min": pool.minimum, "max": pool.maximum, "up": pool.up, "busy": min(pool.up, pool.out),
        "hits": pool.hits, "misses": misses, "cold": pool.colds, "refills": pool.restarts, "recycled": pool.recycled,
        "retired": pool.retired, "grown": pool.grown, "queued": pool.queued,
        "aside": pool.aside,
        "shards": [
            {
                "id": shard.id, "up": shard.up, "depth": shard.ready.tasks, "batches": shard.batches,
                "sent": shard.sent, "stolen": shard.stolen,
                "wait": shard.waited / shard.sent if shard.sent else 0.0,
                "balance": shard.sent / mean if mean else 1.0,
            }
            for shard in pool.shards
        ],
    }  # fmt: skip
