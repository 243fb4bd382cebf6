"""Makes the call of a request whose version looks features up: takes its rows, looks up, and binds."""

from collections.abc import Callable
from functools import partial

from bridge.beside import at_once_or_beside, is_much
from bridge.callers.caller import Caller
from bridge.calls import Call, now
from bridge.features.lookups.look_up import look_up
from bridge.features.lookups.plan import LookupPlan
from bridge.services.asked import CallDraft

__all__ = ["call_with_lookups"]


async def call_with_lookups(
    draft: CallDraft, plan: LookupPlan, by: Caller, *, little: bool, hold: Callable[[int], None]
) -> Call:
    """Looks up what a request's rows lack, and makes its call.

    Args:
        draft: the request on its way to a call.
        plan: the lookups of its version.
        by: the caller, who is charged for the rows before a store is asked for them.
        little: whether reading the rows may hold the event loop.
        hold: called with the bytes that are to be looked up, before they are.

    Raises:
        BridgeError: the rows are wrong, or more than the caller may have scored. A store that fails raises nothing: it
            fails rows, or leaves their features missing.
    """
    caller = draft.arrival.caller
    with draft.version.in_use():
        rows = await at_once_or_beside(draft.take_rows, caller, much=not little)
        by.charge(rows.batch.rows)
        left_s = _left_s(draft)
        joined = await look_up(plan, rows.batch, rows.places(), left_s=left_s, caller=caller, hold=hold)
        much = not little or is_much(rows.batch.rows, 0)
        return await at_once_or_beside(partial(draft.bind, rows, joined), caller, much=much)


def _left_s(draft: CallDraft) -> float:
    """Returns the seconds that the call has left; those of the model, if the caller set no deadline."""
    settings, arrived = draft.version.settings, draft.arrival.at
    allowed_s = settings.timeout_s if draft.deadline is None else draft.deadline.instant - arrived
    return min(allowed_s, settings.max_timeout_s) - (now() - arrived)
