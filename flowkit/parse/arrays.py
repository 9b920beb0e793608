"""Arrow arrays out of what Python and NumPy hold, without pandas.

`pa.array` and `pa.scalar` look whether they were given something of pandas, and import it for that, which takes longer
than reading a hundred thousand lines. What is read block by block, or made when this package is imported, is made here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

__all__ = ["indices_of", "number_array", "same_text", "text_array", "true_at"]


def number_array(values: npt.NDArray[np.int32] | npt.NDArray[np.int64]) -> pa.Array:
    """Whole numbers, none of them null; the memory is shared."""
    kind = pa.int32() if values.dtype == np.int32 else pa.int64()
    return pa.Array.from_buffers(kind, len(values), [None, pa.py_buffer(np.ascontiguousarray(values))])


def text_array(values: Sequence[str]) -> pa.StringArray:
    """Texts, none of them null."""
    packed = [value.encode() for value in values]
    edges = np.zeros(len(packed) + 1, dtype=np.int32)
    np.cumsum([len(one) for one in packed], out=edges[1:])
    return pa.StringArray.from_buffers(len(packed), pa.py_buffer(edges), pa.py_buffer(b"".join(packed)))


def same_text(text: str, count: int) -> pa.DictionaryArray:
    """The same text in every row."""
    return pa.DictionaryArray.from_arrays(number_array(np.zeros(count, dtype=np.int32)), text_array([text]))


def indices_of(values: pa.DictionaryArray) -> npt.NDArray[np.int32]:
    """The number of each row's text, where none is null."""
    return _numpy(values.indices, np.dtype(np.int32))


def true_at(mask: pa.BooleanArray) -> npt.NDArray[np.int64]:
    """The places where a mask is true."""
    return _numpy(pc.indices_nonzero(mask), np.dtype(np.uint64)).astype(np.int64)


def _numpy(values: pa.Array, kind: np.dtype[Any]) -> npt.NDArray[Any]:
    if not len(values):
        return np.empty(0, dtype=kind)
    return np.frombuffer(values.buffers()[1], dtype=kind)[values.offset : values.offset + len(values)]
