"""The bytes of the commands that a store sends: hiredis, which packs them for others, is the judge."""

from typing import Any

import hiredis
from hypothesis import given
from hypothesis import strategies as st

from bridge.features.stores.redis_commands import command, get_hashes, get_rows

PACK: Any = hiredis.pack_command  # its types know tuples of one part alone
PARTS = st.lists(st.binary(max_size=600), min_size=1, max_size=20)


@given(PARTS)
def test_any_command(parts: list[bytes]) -> None:
    assert command(*parts) == PACK(tuple(parts))


@given(PARTS)
def test_rows_of_any_keys(keys: list[bytes]) -> None:
    assert get_rows(keys) == PACK((b"MGET", *keys))


@given(PARTS, PARTS)
def test_hashes_of_any_keys_and_fields(keys: list[bytes], fields: list[bytes]) -> None:
    assert get_hashes(keys, fields) == b"".join(PACK((b"HMGET", key, *fields)) for key in keys)
