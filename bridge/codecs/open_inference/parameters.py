"""Reads the parameters of requests: those that this gateway knows, and those that change nothing here.

Any other parameter is refused, because it may be a misspelled one whose meaning would silently be lost.
"""

import re
from collections.abc import Mapping

from bridge.codecs.open_inference.inference import Parameter
from bridge.columns import DOUBLE_EXACT
from bridge.errors import InvalidRequest
from bridge.texts import brief
from bridge.values import value

__all__ = ["Asking", "check_tensor", "number_of_version", "read_asking", "whether_binary"]

# Triton reserves these, and MLServer sends "headers"; a model that scores row by row has no use for them.
_WITHOUT_MEANING = frozenset({"sequence_id", "sequence_start", "sequence_end", "priority", "headers"})
_RESERVED = "triton_"
_POLICIES = {"never": False, "DEFAULT_POLICY_NEVER": False, "DEFAULT_POLICY_UNSPECIFIED": True}
_CONTENT_TYPES = {"np": False, "pd": True}  # whether each tensor is one column
_TENSOR_CONTENT_TYPES = ("np", "pd", "str")
_SHARED_MEMORY = "shared_memory_"
_NUMBER = re.compile(r"-?[0-9]{1,400}(\.[0-9]{1,400})?([eE][+-]?[0-9]{1,4})?", re.ASCII)
_VERSION = re.compile(r"[1-9][0-9]{0,9}", re.ASCII)
_MOST_VERSION = 2**32 - 1
_MICROSECONDS = 1e6
_MOST_SHOWN = 100  # characters of a caller's name


@value
class Asking:
    """What the parameters of a request ask for.

    Attributes:
        timeout_s: the most seconds that the call may take; None if they don't say.
        default: the default score of this call; None stands for the model's own.
        defaults_allowed: whether rows may get default scores.
        by_column: whether each tensor must be one column.
        binary: whether outputs are answered as bytes behind the JSON, unless an output says otherwise.
    """

    timeout_s: float | None = None
    default: float | None = None
    defaults_allowed: bool = True
    by_column: bool = False
    binary: bool = False


def read_asking(parameters: Mapping[str, Parameter]) -> Asking:
    """Reads the parameters of a request.

    Raises:
        InvalidRequest: a parameter is unknown, or has a wrong type or value; the message names it.
    """
    if not parameters:
        return Asking()
    for name in parameters:
        if name not in _KNOWN and name not in _WITHOUT_MEANING and not name.startswith(_RESERVED):
            raise InvalidRequest(f"the request has a parameter '{_shown(name)}', which this gateway does not know")
    return Asking(
        timeout_s=_timeout_s(parameters.get("timeout")),
        default=_default(parameters.get("default_score")),
        defaults_allowed=_policy(parameters.get("default_policy")),
        by_column=_by_column(parameters.get("content_type")),
        binary=_truth("binary_data_output", parameters.get("binary_data_output")),
    )


_KNOWN = frozenset({"timeout", "default_score", "default_policy", "content_type", "binary_data_output"})


def check_tensor(name: str, parameters: Mapping[str, Parameter]) -> str:
    """Checks the parameters of an input tensor, and returns the text of its missing rows; empty if it has none.

    Raises:
        InvalidRequest: a parameter is unknown, or has a wrong type or value; the message names tensor and parameter.
    """
    for one in parameters:
        if one.startswith(_SHARED_MEMORY):
            raise InvalidRequest(f"tensor '{_shown(name)}' is in shared memory, which this gateway does not read")
        if one not in ("content_type", "missing_rows", "binary_data_size", "headers"):
            raise InvalidRequest(
                f"tensor '{_shown(name)}' has a parameter '{_shown(one)}', which this gateway does not know"
            )
    if parameters.get("content_type", "np") not in _TENSOR_CONTENT_TYPES:
        raise InvalidRequest(
            f"tensor '{_shown(name)}': content_type must be one of {', '.join(_TENSOR_CONTENT_TYPES)}; send text as "
            "BYTES in UTF-8"
        )
    missing = parameters.get("missing_rows", "")
    if not isinstance(missing, str):
        raise InvalidRequest(f"tensor '{_shown(name)}': missing_rows must be a text such as \"0-4,7\"")
    return missing


def whether_binary(name: str, parameters: Mapping[str, Parameter]) -> bool | None:
    """Returns whether a requested output is to be answered as bytes; None if its parameters don't say.

    Raises:
        InvalidRequest: a parameter is unknown or has a wrong type; the message names output and parameter.
    """
    for one in parameters:
        if one not in ("binary_data", "content_type", "headers"):
            raise InvalidRequest(
                f"output '{_shown(name)}' has a parameter '{_shown(one)}', which this gateway does not know"
            )
    binary = parameters.get("binary_data")
    return None if binary is None else _truth(f"binary_data of output '{_shown(name)}'", binary)


def number_of_version(text: str) -> int:
    """Returns the number of the version that a text names; 0 for an empty text.

    Raises:
        InvalidRequest: the text is not a whole number from 1 up, written without a sign or leading zeros.
    """
    if not text:
        return 0
    if _VERSION.fullmatch(text) is None or int(text) > _MOST_VERSION:
        raise InvalidRequest("the version must be a whole number from 1 up without leading zeros, or empty")
    return int(text)


def _timeout_s(timeout: Parameter | None) -> float | None:
    if timeout is None:
        return None
    if isinstance(timeout, bool) or not isinstance(timeout, int) or timeout < 0:
        raise InvalidRequest("the parameter timeout must be a whole number of microseconds, at least 0")
    return timeout / _MICROSECONDS if timeout else None


def _default(default: Parameter | None) -> float | None:
    if default is None:
        return None
    if isinstance(default, str) and _NUMBER.fullmatch(default):
        return float(default)
    if isinstance(default, int) and not isinstance(default, bool) and abs(default) <= DOUBLE_EXACT:
        return float(default)
    if not isinstance(default, float):
        raise InvalidRequest(
            "the parameter default_score must be a number that a double holds, or such a number as text"
        )
    return default


def _policy(policy: Parameter | None) -> bool:
    if policy is None:
        return True
    if not isinstance(policy, str) or policy not in _POLICIES:
        raise InvalidRequest(f"the parameter default_policy must be one of {', '.join(_POLICIES)}")
    return _POLICIES[policy]


def _by_column(content_type: Parameter | None) -> bool:
    if content_type is None:
        return False
    if not isinstance(content_type, str) or content_type not in _CONTENT_TYPES:
        raise InvalidRequest(f"the parameter content_type of the request must be one of {', '.join(_CONTENT_TYPES)}")
    return _CONTENT_TYPES[content_type]


def _truth(name: str, given: Parameter | None) -> bool:
    if given is None:
        return False
    if not isinstance(given, bool):
        raise InvalidRequest(f"the parameter {name} must be true or false")
    return given


def _shown(name: str) -> str:
    return brief(name, _MOST_SHOWN)
