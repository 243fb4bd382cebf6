"""QAP1's numbers for the types of values, and its signs for missing ones (Rserve's `Rsrv.h`)."""

__all__ = [
    "CALL",
    "DOUBLES",
    "DT_SEXP",
    "HAS_ATTRIBUTES",
    "INTS",
    "LARGE",
    "LOGICALS",
    "NA_INT",
    "NA_LOGICAL",
    "NA_STRING",
    "NULL",
    "STRINGS",
    "SYMBOL_NAME",
    "TAGGED_LIST",
    "TYPE_BITS",
    "VECTOR",
]

DT_SEXP = 10
LARGE, HAS_ATTRIBUTES, TYPE_BITS = 0x40, 0x80, 0x3F
NULL, VECTOR, SYMBOL_NAME, TAGGED_LIST, CALL = 0, 16, 19, 21, 22
INTS, DOUBLES, STRINGS, LOGICALS = 32, 33, 34, 36
NA_INT = -(2**31)
NA_LOGICAL = 2
NA_STRING = b"\xff"
