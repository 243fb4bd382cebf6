"""The names that the text of a function or class takes from its module."""

import ast
import builtins
import symtable
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["ModuleNames", "module_names"]

_OF_EVERY_MODULE = {"__name__", "__file__", "__doc__"}


class ModuleNames(NamedTuple):
    """The names that a definition takes from its module.

    Attributes:
        defining: those that it needs when it is defined: in decorators, defaults, bases and annotations.
        running: those that it needs later.
        chains: the attributes that it takes of names, such as ("os", "path", "join").
    """

    defining: frozenset[str]
    running: frozenset[str]
    chains: frozenset[tuple[str, ...]]


def module_names(text: str, *, annotations: bool) -> ModuleNames:
    """Returns the names that a definition takes from its module, without its own.

    Args:
        text: the source of one function or class.
        annotations: whether annotations are evaluated; else their names don't count.
    """
    tree = ast.parse(text)
    if not annotations:
        text = ast.unparse(_without_annotations(tree))
    table = symtable.symtable(text, "session", "exec")
    own = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_assigned()}
    defining = {symbol.get_name() for symbol in table.get_symbols() if symbol.is_referenced()}
    running = set[str]()
    for inner in table.get_children():
        found = defining if inner.get_type() == "class" else running
        found |= _globals_of(inner)
        for below in _below(inner):
            running |= _globals_of(below)
    absent = own | _OF_EVERY_MODULE
    return ModuleNames(frozenset(defining - absent), frozenset(running - defining - absent), frozenset(_chains(tree)))


def _globals_of(table: symtable.SymbolTable) -> set[str]:
    return {symbol.get_name() for symbol in table.get_symbols() if symbol.is_global()}


def _below(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    for inner in table.get_children():
        yield inner
        yield from _below(inner)


def _without_annotations(tree: ast.Module) -> ast.Module:
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            node.returns = None
    return tree


def _chains(tree: ast.AST) -> Iterator[tuple[str, ...]]:
    for node in ast.walk(tree):
        parts: list[str] = []
        at: ast.AST = node
        while isinstance(at, ast.Attribute):
            parts.append(at.attr)
            at = at.value
        if parts and isinstance(at, ast.Name) and not hasattr(builtins, at.id):
            yield (at.id, *reversed(parts))
