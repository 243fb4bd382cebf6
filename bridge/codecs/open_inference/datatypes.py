"""The datatypes of the Open Inference Protocol: how each is written, and the type of a column that holds it exactly."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from bridge.columns import Type

__all__ = ["BY_TYPE", "DATATYPES", "Datatype"]


@dataclass(frozen=True, slots=True)
class Datatype:
    """One datatype.

    Attributes:
        name: the protocol's name of it.
        dtype: the numpy type of its little-endian bytes; that of objects for BYTES, whose entries differ in length.
        type: the type of the column that holds each of its values exactly; UINT64 has larger values, which are refused.
        field: the field of InferTensorContents that holds its values; empty if they must be sent raw.
    """

    name: str
    dtype: np.dtype[Any]
    type: Type
    field: str

    @property
    def is_number(self) -> bool:
        """Whether its values are numbers."""
        return self.type not in (Type.BOOL, Type.STRING)


def _datatype(name: str, dtype: str, column_type: Type, field: str = "") -> Datatype:
    return Datatype(name, np.dtype(dtype), column_type, field)


DATATYPES = {
    one.name: one
    for one in (
        _datatype("BOOL", "?", Type.BOOL, "bool_contents"),
        _datatype("INT8", "<i1", Type.INT, "int_contents"),
        _datatype("INT16", "<i2", Type.INT, "int_contents"),
        _datatype("INT32", "<i4", Type.INT, "int_contents"),
        _datatype("INT64", "<i8", Type.INT64, "int64_contents"),
        _datatype("UINT8", "<u1", Type.INT, "uint_contents"),
        _datatype("UINT16", "<u2", Type.INT, "uint_contents"),
        _datatype("UINT32", "<u4", Type.INT64, "uint_contents"),
        _datatype("UINT64", "<u8", Type.INT64, "uint64_contents"),
        _datatype("FP16", "<f2", Type.FLOAT),
        _datatype("BF16", "<u2", Type.FLOAT),  # numpy has no such type: these are the upper halves of float32s
        _datatype("FP32", "<f4", Type.FLOAT, "fp32_contents"),
        _datatype("FP64", "<f8", Type.DOUBLE, "fp64_contents"),
        _datatype("BYTES", "O", Type.STRING, "bytes_contents"),
    )
}
BY_TYPE = {
    Type.DOUBLE: DATATYPES["FP64"],
    Type.FLOAT: DATATYPES["FP32"],
    Type.INT: DATATYPES["INT32"],
    Type.INT64: DATATYPES["INT64"],
    Type.BOOL: DATATYPES["BOOL"],
    Type.STRING: DATATYPES["BYTES"],
    Type.FACTOR: DATATYPES["BYTES"],
}
