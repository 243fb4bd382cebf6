"""How old the features of a group are, and which days of a stream come behind them; all by the store's clock."""

from datetime import date, timedelta

from bridge.features.stores.group import FeatureBatch, Group
from bridge.lookup_errors import FeaturesMissing, FeaturesStale

__all__ = ["days_since", "fresh_age_s", "is_fresh"]

_CLOCK_S = 60.0  # how far in the future a batch may have been published: clocks of a failover's servers differ


def fresh_age_s(group: Group, batch: FeatureBatch, now_ms: int, max_age_s: float | None) -> float:
    """Returns the age of a batch in seconds.

    Raises:
        FeaturesStale: it is older than allowed, has expired, or its age can't be known.
    """
    age_s = (now_ms - batch.published_ms) / 1000
    if is_fresh(batch, now_ms, max_age_s):
        return max(0.0, age_s)
    which = f"batch {batch.name} of group '{group.name}'"
    if age_s < 0:
        raise FeaturesStale(
            f"{which} was published {-age_s:.0f} s from now by the store's clock, so its age is unknown"
        )
    if age_s >= batch.ttl_s:
        raise FeaturesStale(f"{which} was published {age_s:.0f} s ago, and has expired", limit=f"{batch.ttl_s} s")
    limit = f"{max_age_s:g} s"
    raise FeaturesStale(f"{which} was published {age_s:.0f} s ago; its lookup's max_age_s is {limit}", limit=limit)


def is_fresh(batch: FeatureBatch, now_ms: int, max_age_s: float | None) -> bool:
    """Whether a batch has not expired, and is shown to be no older than `max_age_s`."""
    age_s = (now_ms - batch.published_ms) / 1000
    if age_s >= batch.ttl_s:
        return False
    # Once the store's clock was set back, an age can't be shown to be below a limit.
    return max_age_s is None or -_CLOCK_S <= age_s <= max_age_s


def days_since(batches: Group, stream: Group, today: str) -> list[str]:
    """Returns the days behind those that a group's batches count, up to today, ascending.

    The days behind the older of its two batches are among them as far as they are kept, because some rows may come from
    that one.

    Args:
        batches: a group that is published in batches, each named after the last day that it counts.
        stream: the stream's group.
        today: the day, such as "2026-11-25".

    Raises:
        FeaturesMissing: the group has no batch, or one that is not named after a day.
        FeaturesStale: the stream does not keep all days behind the current batch.
    """
    if batches.current is None:
        raise FeaturesMissing(f"group '{batches.name}' has no batch, so the days since then are not known")
    days = [batch.day for batch in (batches.current, batches.previous) if batch is not None]
    if not all(days):
        raise FeaturesMissing(
            f"a batch of group '{batches.name}' is not named after a day such as 2026-11-24, which `since` needs"
        )
    last, newest, oldest = date.fromisoformat(today), date.fromisoformat(days[0]), date.fromisoformat(min(days))
    if (last - newest).days > stream.keep_days:
        raise FeaturesStale(
            f"batch {batches.current.name} of group '{batches.name}' ends {(last - newest).days} days before {today}, "
            f"and group '{stream.name}' keeps {stream.keep_days} days",
            limit=f"{stream.keep_days} days",
        )
    first = max(oldest, last - timedelta(stream.keep_days)) + timedelta(1)
    return [(first + timedelta(number)).isoformat() for number in range((last - first).days + 1)]
