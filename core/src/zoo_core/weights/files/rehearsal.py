"""Run a pickle on stand-ins before `torch.load`, so that a small file cannot take much memory.

``torch.load(weights_only=True)`` runs no code of the file, but makes whatever the file asks for: a
few bytes suffice for ``bytearray(4_000_000_000)``, a storage that the file does not have, or a
million copies of a list. `Rehearsal` runs the same instructions and adds up their memory without
taking it, in a fifth of the time of ``torch.load``. A scan of the instructions without a stack
(`pickletools.genops`) takes half of that, but cannot tell how much a call copies.
"""

from __future__ import annotations

import math
import pickle
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import torch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_ALLOWANCE = 32_000_000  # bytes that any file may take
_MULTIPLE = 8  # how many times its own size a file may take beyond that
_ENTRY = 100  # bytes, about: of a small container, or an entry of one
_OBJECT = 600  # bytes, about: of a tensor without its numbers
_LATIN = "latin1"  # the encoding of bytes in pickles
_ITEM_SIZES = {
    "BoolStorage": 1, "ByteStorage": 1, "CharStorage": 1, "ShortStorage": 2, "IntStorage": 4, "LongStorage": 8,
    "HalfStorage": 2, "BFloat16Storage": 2, "FloatStorage": 4, "DoubleStorage": 8, "ComplexFloatStorage": 8,
    "ComplexDoubleStorage": 16, "QInt8Storage": 1, "QUInt8Storage": 1, "QInt32Storage": 4, "QUInt4x2Storage": 1,
    "QUInt2x4Storage": 1, "UntypedStorage": 1,
}  # fmt: skip


class TooMuch(Exception):  # noqa: N818 - what the file asks for, no fault of the program
    """The file asks for far more memory than it has bytes."""


def limit_of(file_size: int) -> int:
    """Return how many bytes of memory a file of `file_size` bytes may take."""
    return _ALLOWANCE + _MULTIPLE * file_size


class Budget:
    """The bytes of memory that a file may still take."""

    def __init__(self, file_size: int) -> None:
        self.left = limit_of(file_size)

    def spend(self, count: int) -> None:
        """Take `count` bytes.

        Raises:
            TooMuch: when fewer are left.
        """
        self.left -= count
        if self.left < 0:
            raise TooMuch


class Storage(NamedTuple):
    """The stand-in for a storage."""

    size: int
    """Bytes."""
    item_size: int


class _Table(dict[Any, Any]):
    """The stand-in for a table or an object with attributes; None stands for other objects."""


class Rehearsal(pickle._Unpickler):
    """The standard library's unpickler with the instructions of `torch.load`, on stand-ins.

    `load` raises `pickle.UnpicklingError` naming what `torch.load` would not make, `TooMuch`, and
    any other exception on bytes that are no pickle.

    Args:
        file: an open file at the pickle's beginning.
        budget: the bytes that are left, shared by the pickles of one file.
        storage: makes the stand-in for a storage from its item's size in bytes, key, count, and
            view.
    """

    # The standard library's own, which its annotations leave out.
    stack: list[Any]
    append: Callable[[Any], None]
    read: Callable[[int], bytes]
    pop_mark: Callable[[], list[Any]]
    load_newobj = pickle._Unpickler.dispatch[pickle.REDUCE[0]]

    def __init__(
        self, file: IO[bytes], budget: Budget, storage: Callable[[int, Any, int, Any], Storage] | None = None
    ) -> None:
        super().__init__(file, encoding="utf-8")
        self.names: set[str] = set()
        self.spend = budget.spend
        self._storage = storage

    def find_class(self, module: str, name: str) -> Any:
        """Return the stand-in for a function, class, or dtype."""
        full = f"{module.replace('__builtin__', 'builtins')}.{name}"  # as Python 2 wrote it
        self.names.add(full)
        if full == "torch.Tensor":  # only named in pickles: called with a size, it would take memory
            return None
        if full in _CALLS or full in _allowed_by_user():
            return _CALLS.get(full, Rehearsal._object).__get__(self)
        if module in ("torch", "torch.cuda", "torch.storage") and name in _ITEM_SIZES:
            return _ITEM_SIZES[name]
        known = getattr(torch, name, None) if module == "torch" else None
        if isinstance(known, torch.dtype | torch.qscheme):
            return known
        raise pickle.UnpicklingError(f"GLOBAL {full}")

    def persistent_load(self, pid: Any) -> Storage:
        """Return the stand-in for a storage."""
        self.spend(_OBJECT)
        kind, item_size, key, _, count, *view = pid
        if kind not in ("storage", b"storage") or self._storage is None or not isinstance(key, str | int):
            raise ValueError("a reference to something else than a storage")
        return self._storage(item_size, key, count, view[0] if view else None)

    def _tensor(self, storage: Storage, offset: int, size: Any, stride: Any, *others: Any) -> None:
        dtype = next((other for other in others if isinstance(other, torch.dtype)), None)
        item_size = dtype.itemsize if dtype else storage.item_size
        if min(offset, *size, *stride, 0) < 0 or len(size) != len(stride):
            raise ValueError("a tensor of impossible shape")
        numbers = math.prod(size)
        end = offset + 1 + sum((length - 1) * step for length, step in zip(size, stride, strict=True)) if numbers else 0
        if end * item_size > storage.size:
            raise ValueError("a tensor goes beyond its storage")
        self.spend(_OBJECT + max(numbers * item_size - storage.size, 0))  # a view that repeats, if it is copied

    def _typed(self, rebuild: Any, _kind: Any, args: Any, state: Any) -> None:
        self._inert(state)
        rebuild(*args)

    def _inert(self, *args: Any) -> None:
        self.spend(_OBJECT + _ENTRY * sum(len(each) for each in args if isinstance(each, dict | tuple)))

    def _object(self, *args: Any) -> _Table:
        self._inert(*args)
        return _Table()

    def _table(self, items: Any = ()) -> _Table:
        table = self._object()
        self._set(table, items.items() if isinstance(items, dict) else items)
        return table

    def _collection(self, items: Any = ()) -> tuple[Any, ...]:
        self._set(self._object(), [(item, None) for item in items])
        return tuple(items)

    def _encoded(self, text: Any = "", codec: Any = _LATIN) -> bytes:
        if codec not in (_LATIN, "latin-1"):
            raise pickle.UnpicklingError(f"GLOBAL _codecs.encode of {codec!r}")
        self.spend(_OBJECT + len(text))
        return bytes(len(text))  # of which a copy costs as much again

    def _set(self, table: Any, pairs: Iterable[Any]) -> None:
        for key, value in pairs:
            self.spend(_ENTRY)
            # The hash of tuples that are nested deep ends the process.
            if not all(isinstance(each, _SCALARS) for each in (key if isinstance(key, tuple) else (key,))):
                raise pickle.UnpicklingError(f"GLOBAL {type(key).__name__} as a key")
            table[key] = value

    def load_setitem(self) -> None:
        """SETITEM."""
        value, key = self.stack.pop(), self.stack.pop()
        self._set(self.stack[-1], [(key, value)])

    def load_setitems(self) -> None:
        """SETITEMS."""
        items = self.pop_mark()
        self._set(self.stack[-1], zip(items[::2], items[1::2], strict=True))

    def load_build(self) -> None:
        """BUILD: fill an object's attributes. A tensor's would give it another size."""
        state = self.stack.pop()
        if not isinstance(self.stack[-1], _Table):
            raise pickle.UnpicklingError("GLOBAL torch.Tensor.__setstate__")
        self.spend(_ENTRY * len(state))

    def load_binunicode(self) -> None:
        """BINUNICODE; its length may be larger than the file."""
        length = int.from_bytes(self.read(4), "little")
        self.spend(length)
        self.append(str(self.read(length), "utf-8", "surrogatepass"))


_SCALARS = (str, int, float, bool, bytes, type(None))
_CALLS: dict[str, Callable[..., Any]] = {
    "collections.OrderedDict": Rehearsal._table,
    "collections.Counter": Rehearsal._table,
    "builtins.set": Rehearsal._collection,
    "builtins.complex": Rehearsal._inert,
    "builtins.bytearray": Rehearsal._encoded,
    "_codecs.encode": Rehearsal._encoded,
    "argparse.Namespace": Rehearsal._object,
    "torch.Size": Rehearsal._collection,
    "torch.device": Rehearsal._inert,
    "torch.nn.parameter.Parameter": Rehearsal._inert,
    "torch.serialization._get_layout": Rehearsal._inert,
    "torch._tensor._rebuild_from_type_v2": Rehearsal._typed,
    **{f"torch._utils._rebuild_{kind}": Rehearsal._tensor for kind in ("tensor", "tensor_v2", "tensor_v3", "qtensor")},
    **{
        f"torch._utils._rebuild_{kind}": Rehearsal._inert
        for kind in ("parameter", "parameter_with_state", "sparse_tensor", "nested_tensor", "meta_tensor_no_storage")
    },
}
_LIGHT = (
    "APPEND", "APPENDS", "BINFLOAT", "BINGET", "BININT", "BININT1", "BININT2", "BINPERSID", "BINPUT", "BINUNICODE",
    "BUILD", "EMPTY_TUPLE", "GLOBAL", "LONG1", "LONG_BINGET", "NEWFALSE", "NEWOBJ", "NEWTRUE", "NONE", "PROTO",
    "REDUCE", "SETITEM", "SETITEMS", "SHORT_BINSTRING", "STOP",
)  # fmt: skip
_HEAVY = ("EMPTY_DICT", "EMPTY_LIST", "EMPTY_SET", "LONG_BINPUT", "MARK", "TUPLE", "TUPLE1", "TUPLE2", "TUPLE3")
"""The instructions that take far more memory than they have bytes in the file."""


class _Instructions(dict[int, "Callable[[Any], None]"]):
    """Code of an instruction to the function that runs it, for those that `torch.load` reads."""

    def __missing__(self, code: int) -> Callable[[Any], None]:
        if code in pickle._Unpickler.dispatch:
            raise pickle.UnpicklingError("an instruction that torch.save does not write")
        raise ValueError("it holds bytes that are no pickle")


def _heavy(load: Callable[[Any], None]) -> Callable[[Any], None]:
    def run(rehearsal: Rehearsal) -> None:
        rehearsal.spend(_ENTRY)
        load(rehearsal)

    return run


Rehearsal.dispatch = _Instructions()
for _name in (*_LIGHT, *_HEAVY):
    (_code,) = getattr(pickle, _name)
    _load = getattr(Rehearsal, f"load_{_name.lower()}", pickle._Unpickler.dispatch[_code])
    Rehearsal.dispatch[_code] = _heavy(_load) if _name in _HEAVY else _load


def _allowed_by_user() -> set[str]:
    """Return the names that the user's program has told torch to trust."""
    return {
        name if isinstance(name, str) else f"{name.__module__}.{name.__qualname__}"
        for each in torch.serialization.get_safe_globals()
        for name in (each[1] if isinstance(each, tuple) else each,)
    }
