"""The source of a function or class of the session, proven to be the source of that very object."""

import __future__

import ast
import inspect
import linecache
import textwrap
from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import Any, NamedTuple

from scorebridge.authoring.conditions import BundleNotWritten

__all__ = ["Source", "source_of"]

_FUTURE = __future__.annotations.compiler_flag
_SEEN = ("co_code", "co_names", "co_varnames", "co_freevars", "co_argcount", "co_posonlyargcount", "co_kwonlyargcount")
_KEPT = 4  # parts of an entry of linecache that has been read
_REMEDY = "write it to a file Pred.py, and pass its path as predict"


class Source(NamedTuple):
    """The source of a function or class.

    Attributes:
        name: its own name.
        text: its source, not indented.
        postponed: whether its annotations are not evaluated.
    """

    name: str
    text: str
    postponed: bool


def source_of(value: Any, name: str) -> Source:
    """Returns the source of a function or class.

    Args:
        value: the function, which may be decorated, or the class.
        name: how the session calls it, for messages.

    Raises:
        BundleNotWritten: it has no source that Python knows, was changed since it was defined, is a lambda, or uses
            variables of the function in which it was defined.
    """
    plain = value if isinstance(value, type) else inspect.unwrap(value)
    codes = dict(_codes(plain))
    text = textwrap.dedent(_class_text(plain, name) if isinstance(plain, type) else _function_text(plain, name))
    try:
        body = ast.parse(text).body
    except SyntaxError:
        body = []
    if len(body) != 1 or not isinstance(body[0], (ast.FunctionDef, ast.ClassDef)):
        raise BundleNotWritten(f"'{name}' is a lambda or a part of a larger expression: define it by def")
    for code in codes.values():
        if inner := [one for one in code.co_freevars if one != "__class__"]:
            raise BundleNotWritten(
                f"'{name}' uses '{inner[0]}', a variable of the function in which it was defined: define both in the "
                "module, or pass the value by a default"
            )
    postponed = any(code.co_flags & _FUTURE for code in codes.values())
    flags = _FUTURE if postponed else 0
    if not all(any(_same(one, code) for one in _made(text, code, flags)) for code in codes.values()):
        raise BundleNotWritten(
            f"the source of '{name}' is another than the one that runs in this session: define it again, or {_REMEDY}"
        )
    return Source(body[0].name, text.rstrip() + "\n", postponed)


def _codes(value: Any) -> Iterator[tuple[str, CodeType]]:
    """Yields the code of a function, or that of each method which a class defines in its own text."""
    if not isinstance(value, type):
        yield value.__name__, value.__code__
        return
    for one in vars(value).values():
        method = getattr(one, "__func__", getattr(one, "fget", one))
        if isinstance(method, FunctionType) and method.__code__.co_filename != "<string>":
            plain = inspect.unwrap(method)
            if isinstance(plain, FunctionType) and plain.__qualname__ == f"{value.__qualname__}.{plain.__name__}":
                yield plain.__name__, plain.__code__


def _function_text(function: FunctionType, name: str) -> str:
    try:
        return inspect.getsource(function)
    except (OSError, TypeError) as error:
        raise _unknown(name) from error


def _class_text(kind: type, name: str) -> str:
    """Returns the text of a class; of classes in a notebook Python knows no file, but the cells are kept."""
    for _, code in _codes(kind):
        for node, text in _classes(kind, linecache.getlines(code.co_filename)):
            if _holds(node, code.co_firstlineno):
                return text
    try:
        return inspect.getsource(kind)
    except (OSError, TypeError) as error:
        entries: list[Any] = [entry for entry in linecache.cache.values() if len(entry) == _KEPT]
        cells = [lines for _, mtime, lines, _ in entries if mtime is None]
        texts = {text for lines in cells for _, text in _classes(kind, lines)}
        if len(texts) != 1:  # none of its methods says which of several is the one
            raise _unknown(name) from error
        return texts.pop()


def _classes(kind: type, lines: list[str]) -> Iterator[tuple[ast.ClassDef, str]]:
    """Yields the definitions of classes of this name in a file, each with its text."""
    try:
        tree = ast.parse("".join(lines))
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and node.name == kind.__name__:
            first = min([node.lineno, *(one.lineno for one in node.decorator_list)])
            yield node, "".join(lines[first - 1 : node.end_lineno])


def _holds(node: ast.ClassDef, line: int) -> bool:
    return node.lineno <= line <= (node.end_lineno or 0)


def _unknown(name: str) -> BundleNotWritten:
    return BundleNotWritten(f"the source of '{name}' is not known, as Python's own prompt does not keep it: {_REMEDY}")


def _made(text: str, code: CodeType, flags: int) -> Iterator[CodeType]:
    """Yields the codes that a source gives under the name of a code.

    A call of a module's function is compiled in another way where the compiler sees the import of the module, so the
    definition is compiled alone, as in a notebook, and with the file that holds it.
    """
    whole = "".join(linecache.getlines(code.co_filename))
    for source, line in ((text, None), (whole, code.co_firstlineno)):
        try:
            made = compile(source, "session", "exec", flags | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        except (SyntaxError, ValueError):
            continue
        for one in _inside(made):
            if one.co_name == code.co_name and line in (None, one.co_firstlineno):
                yield one


def _inside(code: CodeType) -> Iterator[CodeType]:
    for one in code.co_consts:
        if isinstance(one, CodeType):
            yield one
            yield from _inside(one)


def _same(one: CodeType, other: CodeType) -> bool:
    """Whether two codes do the same, wherever they come from."""
    if any(getattr(one, part) != getattr(other, part) for part in _SEEN):
        return False
    if (one.co_flags ^ other.co_flags) & ~inspect.CO_NESTED or len(one.co_consts) != len(other.co_consts):
        return False
    return all(_same_constant(*pair) for pair in zip(one.co_consts, other.co_consts, strict=True))


def _same_constant(one: Any, other: Any) -> bool:
    if isinstance(one, CodeType) and isinstance(other, CodeType):
        return _same(one, other)
    if type(one) is not type(other):
        return False
    # Of equal numbers 0.0 and -0.0 differ; equal sets may be written in another order.
    return bool(one == other) if isinstance(one, frozenset) else repr(one) == repr(other)
