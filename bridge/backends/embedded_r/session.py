"""R inside this process: started once, and asked by its only thread."""

from collections.abc import Sequence

from bridge.backends.embedded_r.library import ffi, libr
from bridge.backends.embedded_r.r_values import RObject, from_r, to_r
from bridge.backends.rserve.rvalues import RString, RValue

__all__ = ["RFailed", "RSession"]

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
        self._arguments = [ffi.new("char[]", one.encode()) for one in (*_ARGUMENTS, *arguments)]
        libr.R_SignalHandlers = 0
        libr.Rf_initialize_R(ffi.cast("int", len(self._arguments)), self._arguments)
        libr.R_Interactive = 0
        libr.setup_Rmainloop()

    def evaluate(self, code: str) -> RObject:
        """Returns the value of R code, which stays protected for good.

        Raises:
            RFailed: the code can't be parsed, or it raised.
        """
        status = ffi.new("ParseStatus *")
        text = libr.Rf_protect(to_r(RString([code])))
        parsed = libr.Rf_protect(libr.R_ParseVector(text, -1, status, libr.R_NilValue))
        if int(status[0]) != _PARSED:
            raise RFailed
        value = libr.R_NilValue
        for at in range(libr.Rf_xlength(parsed)):
            value = self._try(libr.VECTOR_ELT(parsed, at))
        libr.R_PreserveObject(value)
        libr.Rf_unprotect(2)
        return value

    def called(self, function: RObject, arguments: Sequence[RValue]) -> RValue | None:
        """Returns what a function of R gives for arguments; None where R left it without a value, as abort does.

        Raises:
            TypeError: the function gave something that is no value.
        """
        call = libr.Rf_protect(libr.Rf_allocList(len(arguments) + 1))
        call.sxpinfo.type = _CALL
        libr.SETCAR(call, function)
        place = call
        for argument in arguments:
            place = libr.CDR(place)
            libr.SETCAR(place, to_r(argument))
        try:
            return from_r(self._try(call))
        except RFailed:
            return None
        finally:
            libr.Rf_unprotect(1)

    def parts(self, value: RObject) -> tuple[RValue, list[RObject]]:
        """Returns the first element of a list as a value, and the others as R's objects."""
        first = from_r(libr.VECTOR_ELT(value, 0))
        return first, [libr.VECTOR_ELT(value, at) for at in range(1, libr.Rf_xlength(value))]

    @staticmethod
    def _try(call: RObject) -> RObject:
        failed = ffi.new("int *", 0)
        value = libr.R_tryEval(call, libr.R_GlobalEnv, failed)
        if failed[0]:
            raise RFailed
        return value
