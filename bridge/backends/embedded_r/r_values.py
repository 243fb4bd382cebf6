"""R's own objects made from the bridge's values, and read back; for the one thread of a process that embeds R.

R's garbage collector frees what no protected object holds: what is made here is to be put into one at once.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from bridge.backends.embedded_r.library import ffi, libr
from bridge.backends.rserve.qap_types import NA_INT
from bridge.backends.rserve.rvalues import RDouble, RFactor, RInt, RList, RLogical, RNull, RString, RValue
from bridge.columns import Array, Mask

__all__ = ["RObject", "from_r", "to_r"]

RObject = Any  # a pointer to one of R's objects, of the library cffi

_LOGICALS, _INTS, _DOUBLES, _STRINGS, _LIST, _NULL = 10, 13, 14, 16, 19, 0
_UTF8 = 1  # R's cetype_t


def to_r(value: RValue) -> RObject:
    """Returns a new object of R, which is not protected yet."""
    match value:
        case RNull():
            return libr.R_NilValue
        case RString(strings):
            return _strings(strings)
        case RFactor():
            return _factor(value)
        case RList(values, names):
            return _list(values, names)
        case _:
            return _vector(value)


def _vector(value: RDouble | RInt | RLogical) -> RObject:
    match value:
        case RDouble(values):
            return _numbers(_DOUBLES, libr.REAL, np.ascontiguousarray(values, np.float64))
        case RInt(values, missing):
            return _numbers(_INTS, libr.INTEGER, _with_na(values, missing))
        case RLogical(values, missing):
            return _numbers(_LOGICALS, libr.LOGICAL, _with_na(values, missing))


def from_r(found: RObject) -> RValue:
    """Returns an object of R as a value, which shares no memory with it. R's collector can't run meanwhile.

    Raises:
        TypeError: the object is none of NULL, logical, integer, double, character and list.
    """
    kind = int(found.sxpinfo.type)
    if kind == _NULL:
        return RNull()
    count = int(libr.Rf_xlength(found))
    if kind == _STRINGS:
        return RString(_texts(found, count))
    if kind == _LIST:
        names = libr.Rf_getAttrib(found, libr.Rf_install(b"names"))
        named = None if names.sxpinfo.type == _NULL else [text or "" for text in _texts(names, count)]
        return RList([from_r(libr.VECTOR_ELT(found, at)) for at in range(count)], named)
    return _read_vector(kind, found, count)


def _read_vector(kind: int, found: RObject, count: int) -> RDouble | RInt | RLogical:
    if kind == _DOUBLES:
        return RDouble(_copied(libr.REAL, found, count, np.float64))
    if kind == _INTS:
        return RInt(*_without_na(_copied(libr.INTEGER, found, count, np.int32)))
    if kind == _LOGICALS:
        values, missing = _without_na(_copied(libr.LOGICAL, found, count, np.int32))
        return RLogical(values != 0, missing)
    raise TypeError(f"R gave an object of its type {kind}, which no reply has")


def _numbers(kind: int, place: Any, values: Array) -> RObject:
    made = libr.Rf_allocVector(kind, len(values))
    if len(values):
        ffi.memmove(place(made), values, values.nbytes)
    return made


def _with_na(values: Array, missing: Mask | None) -> Array:
    numbers = np.ascontiguousarray(values, np.int32)
    return numbers if missing is None else np.where(missing, np.int32(NA_INT), numbers)


def _without_na(values: Array) -> tuple[Array, Mask | None]:
    absent = values == NA_INT
    return (np.where(absent, np.int32(0), values), absent) if absent.any() else (values, None)


def _copied(place: Any, found: RObject, count: int, dtype: Any) -> Array:
    if count == 0:
        return np.empty(0, dtype)
    return np.frombuffer(ffi.buffer(place(found), count * np.dtype(dtype).itemsize), dtype).copy()


def _strings(strings: Sequence[str | None]) -> RObject:
    made = libr.Rf_protect(libr.Rf_allocVector(_STRINGS, len(strings)))
    for at, text in enumerate(strings):
        if text is None:
            libr.SET_STRING_ELT(made, at, libr.R_NaString)
        else:
            raw = text.encode()
            libr.SET_STRING_ELT(made, at, libr.Rf_mkCharLenCE(raw, len(raw), _UTF8))
    libr.Rf_unprotect(1)
    return made


def _factor(factor: RFactor) -> RObject:
    codes = np.asarray(factor.codes, np.int32) + np.int32(1)
    made = libr.Rf_protect(_numbers(_INTS, libr.INTEGER, _with_na(codes, factor.missing)))
    for name, texts in ((b"levels", factor.levels), (b"class", ("ordered", "factor")[not factor.ordered :])):
        libr.Rf_setAttrib(made, libr.Rf_install(name), libr.Rf_protect(_strings(texts)))
        libr.Rf_unprotect(1)
    libr.Rf_unprotect(1)
    return made


def _list(values: Sequence[RValue], names: Sequence[str] | None) -> RObject:
    made = libr.Rf_protect(libr.Rf_allocVector(_LIST, len(values)))
    for at, value in enumerate(values):
        libr.SET_VECTOR_ELT(made, at, to_r(value))
    if names is not None:
        libr.Rf_setAttrib(made, libr.Rf_install(b"names"), libr.Rf_protect(_strings(names)))
        libr.Rf_unprotect(1)
    libr.Rf_unprotect(1)
    return made


def _texts(found: RObject, count: int) -> list[str | None]:
    elements = (libr.STRING_ELT(found, at) for at in range(count))
    return [None if one == libr.R_NaString else ffi.string(libr.R_CHAR(one)).decode() for one in elements]
