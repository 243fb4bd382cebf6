"""R inside this process: started once, and asked by its only thread."""

import ctypes
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

from bridge.backends.embedded_r.r_values import RObject, from_r, to_r
from bridge.backends.rserve.rvalues import RString, RValue

__all__ = ["RFailed", "RSession"]

_openrlib: Any = import_module("rpy2.rinterface_lib.openrlib")
_r: Any = _openrlib.rlib
_ffi: Any = _openrlib.ffi

# As Rserve starts R, so that both give the same scores: no profile, no saved session, nobody to ask.
_ARGUMENTS = ("R", "--vanilla", "--no-echo")
_CALL = 6  # the type of a call, in R's Rinternals.h
_PARSED = 1  # R's ParseStatus


class RFailed(Exception):
    """R left an evaluation by an error, an abort or a jump to top level."""


class RSession:
    """The R of this process. It is started with its own limits on the C stack, and without handlers of signals."""

    def __init__(self, arguments: Sequence[str] = ()) -> None:
        """Starts R.

        Args:
            arguments: further arguments of R's command line, which `commandArgs()` gives.
        """
        # R makes its own symbols visible to the libraries of packages; cffi opens it without.
        ctypes.CDLL(str(Path(_openrlib.R_HOME) / "lib" / "libR.so"), ctypes.RTLD_GLOBAL)
        self._arguments = [_ffi.new("char[]", one.encode()) for one in (*_ARGUMENTS, *arguments)]
        _r.R_SignalHandlers = 0
        _r.Rf_initialize_R(_ffi.cast("int", len(self._arguments)), self._arguments)
        _r.R_Interactive = 0
        _r.setup_Rmainloop()

    def evaluate(self, code: str) -> RObject:
        """Returns the value of R code, which stays protected for good.

        Raises:
            RFailed: the code can't be parsed, or it raised.
        """
        status = _ffi.new("ParseStatus *")
        text = _r.Rf_protect(to_r(RString([code])))
        parsed = _r.Rf_protect(_r.R_ParseVector(text, -1, status, _r.R_NilValue))
        if int(status[0]) != _PARSED:
            raise RFailed
        value = _r.R_NilValue
        for at in range(_r.Rf_xlength(parsed)):
            value = self._try(_r.VECTOR_ELT(parsed, at))
        _r.R_PreserveObject(value)
        _r.Rf_unprotect(2)
        return value

    def called(self, function: RObject, arguments: Sequence[RValue]) -> RValue | None:
        """Returns what a function of R gives for arguments; None where R left it without a value, as abort does.

        Raises:
            TypeError: the function gave something that is no value.
        """
        call = _r.Rf_protect(_r.Rf_allocList(len(arguments) + 1))
        call.sxpinfo.type = _CALL
        _r.SETCAR(call, function)
        place = call
        for argument in arguments:
            place = _r.CDR(place)
            _r.SETCAR(place, to_r(argument))
        try:
            return from_r(self._try(call))
        except RFailed:
            return None
        finally:
            _r.Rf_unprotect(1)

    def parts(self, value: RObject) -> tuple[RValue, list[RObject]]:
        """Returns the first element of a list as a value, and the others as R's objects."""
        first = from_r(_r.VECTOR_ELT(value, 0))
        return first, [_r.VECTOR_ELT(value, at) for at in range(1, _r.Rf_xlength(value))]

    @staticmethod
    def _try(call: RObject) -> RObject:
        failed = _ffi.new("int *", 0)
        value = _r.R_tryEval(call, _r.R_GlobalEnv, failed)
        if failed[0]:
            raise RFailed
        return value
