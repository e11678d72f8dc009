"""The pickle in a PyTorch checkpoint, looked through before anything is unpickled.

A pickle is a program for a small machine with a stack and a memo. Few of its opcodes
are what PyTorch writes; with the others, some hundred bytes take gigabytes or hours.
"""

from __future__ import annotations

import pickletools
from collections import OrderedDict
from typing import NamedTuple

from music_vae_tf.checkpoint.finding import CheckpointError

MAX_BYTES = 20_000_000
MAX_OPCODES = 1_000_000  # a tensor takes some forty
MAX_DEPTH = 20  # of tuples in each other, which hold sizes and arguments
LONGEST_SHOWN = 80
ORDERED_DICT = "collections OrderedDict"
METADATA = {"_metadata"}  # all that a state_dict has besides its tensors


class StateDict(OrderedDict):
    """What PyTorch's OrderedDicts are read as: a pickle gives them no methods."""

    def __setstate__(self, state):
        if not isinstance(state, dict) or not METADATA.issuperset(state):
            raise CheckpointError("an OrderedDict of it has attributes of its own")
        vars(self).update(state)


class _Item(NamedTuple):
    """What is known of an object on the stack."""

    kind: str  # atom, tuple, list, dict, ordered, global or object
    depth: int = 0  # of a tuple
    value: object = None  # of a text, the name of a global, the size of a tuple


_MARK, _ATOM, _OBJECT = _Item("mark"), _Item("atom"), _Item("object")
_KEEPS_STACK = ("PROTO", "FRAME", "STOP")
_NUMBERS = (
    "NONE",
    "NEWTRUE",
    "NEWFALSE",
    "BININT",
    "BININT1",
    "BININT2",
    "LONG1",
    "BINFLOAT",
)
_TEXTS = ("BINUNICODE", "SHORT_BINUNICODE", "BINSTRING", "SHORT_BINSTRING")
_EMPTY = {
    "EMPTY_DICT": _Item("dict"),
    "EMPTY_LIST": _Item("list"),
    "EMPTY_TUPLE": _Item("tuple", value=0),
    "MARK": _MARK,
}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_FILLED = {"SETITEM": 2, "APPEND": 1}  # how many objects they put into the one below


def check(data: bytes) -> None:
    """Follows a pickle without making an object of it.

    Raises:
        CheckpointError: it does what no checkpoint needs; says what.
        ValueError, IndexError, KeyError: it is damaged.
    """
    machine = _Machine()
    for number, (opcode, argument, _) in enumerate(pickletools.genops(data)):
        if number >= MAX_OPCODES:
            raise CheckpointError(f"its data.pkl has more than {MAX_OPCODES:,} opcodes")
        machine.take(opcode.name, argument)


class _Machine:
    """The stack and the memo of a pickle, with kinds in place of objects."""

    def __init__(self):
        self._stack: list[_Item] = []
        self._memo: dict[int, _Item] = {}
        self._taken = 0

    def take(self, name: str, argument) -> None:
        """Takes one opcode."""
        self._taken += 1
        if name in _KEEPS_STACK:
            return
        if name in _NUMBERS:
            self._stack.append(_ATOM)
        elif name in _TEXTS:
            self._stack.append(_Item("atom", value=argument))
        elif name in _EMPTY:
            self._stack.append(_EMPTY[name])
        elif name in _TUPLES:
            self._tuple(self._popped(_TUPLES[name]))
        elif name in _FILLED:
            self._fill(name, self._popped(_FILLED[name]))
        else:
            step = getattr(self, f"_{name.lower()}", None)
            if step is None:
                raise CheckpointError(
                    f"its data.pkl has a {name}, which no weights need"
                )
            step(argument)

    def _popped(self, count) -> list[_Item]:
        items = [self._stack.pop() for _ in range(count)][::-1]
        if _MARK in items:
            raise IndexError("a mark is out of place")
        return items

    def _popped_to_mark(self) -> list[_Item]:
        items = []
        while (item := self._stack.pop()) is not _MARK:
            items.append(item)
        return items[::-1]

    def _tuple(self, items):
        """Named as the opcode too, which takes all above the mark."""
        items = self._popped_to_mark() if items is None else items
        depth = 1 + max((item.depth for item in items), default=0)
        if depth > MAX_DEPTH:
            raise CheckpointError(
                f"its data.pkl has more than {MAX_DEPTH} tuples in one"
            )
        self._stack.append(_Item("tuple", depth, len(items)))

    def _fill(self, name, items):
        kind, keys = self._stack[-1].kind, items[::2]
        if name.startswith("APPEND"):
            is_right = kind == "list"
        else:
            is_right = kind in ("dict", "ordered")
            is_right &= all(key.kind == "atom" for key in keys)
        if not is_right:
            raise CheckpointError(f"its data.pkl has a {name} with another object")

    def _setitems(self, _):
        self._fill("SETITEMS", self._popped_to_mark())

    def _appends(self, _):
        self._fill("APPENDS", self._popped_to_mark())

    def _global(self, name):
        self._stack.append(_Item("global", value=name))

    def _stack_global(self, _):
        module, name = self._popped(2)
        self._global(f"{module.value} {name.value}")

    def _reduce(self, _):
        function, arguments = self._popped(2)
        is_ordered = function.value == ORDERED_DICT
        if is_ordered and (arguments.kind, arguments.value) != ("tuple", 0):
            raise CheckpointError("its data.pkl makes an OrderedDict of something")
        self._stack.append(_Item("ordered") if is_ordered else _OBJECT)

    def _build(self, _):
        (state,) = self._popped(1)
        if (self._stack[-1].kind, state.kind) != ("ordered", "dict"):
            raise CheckpointError("its data.pkl gives attributes to another object")

    def _binpersid(self, _):
        self._popped(1)
        self._stack.append(_OBJECT)

    def _binput(self, index):
        # Unpickling allocates as many places as the largest index says.
        if index > self._taken:
            raise CheckpointError(f"its data.pkl has the index {index:,} in its memo")
        self._memo[index] = self._stack[-1]

    def _memoize(self, _):
        self._binput(len(self._memo))

    def _binget(self, index):
        self._stack.append(self._memo[index])

    _long_binput, _long_binget = _binput, _binget


def shown(text: str) -> str:
    """A name of a stranger, short and without control characters."""
    return "".join(c for c in text if c.isprintable())[:LONGEST_SHOWN]
