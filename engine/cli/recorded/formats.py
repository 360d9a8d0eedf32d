"""Rows as JSON lines, CSV and Parquet, written as they come: none of these holds more than a part of them."""

from __future__ import annotations

import base64
import csv
import importlib
import io
from collections.abc import Callable, Iterable, Sequence
from typing import Any, BinaryIO, Final

import msgspec

from engine.cli.recorded.recorded import StoreProblem

Row = Sequence[Any]

_ROWS: Final = 50_000
"""Rows of a part of a Parquet file, at the most."""
_BYTES: Final = 32 << 20
"""Bytes of what is long in such a part."""
_AT_ONCE: Final = 1 << 16
"""Bytes of lines that are written together."""


def jsonl(columns: Sequence[str], types: Sequence[str], rows: Iterable[Row], stream: BinaryIO) -> int:
    """Write a JSON object a line, without what is None; ``json`` stands as it is, ``binary`` is base64.

    Returns how many.
    """
    encode = msgspec.json.Encoder().encode_into
    raw, binary = (
        columns.index("result") if "json" in types else -1,
        [at for at, t in enumerate(types) if t == "binary"],
    )
    buffer = bytearray()
    count = at = 0
    for row in rows:
        found = {name: value for name, value in zip(columns, row, strict=True) if value is not None}
        if raw >= 0 and (text := row[raw]) is not None:
            found["result"] = msgspec.Raw(text.encode())
        for column in binary:
            if row[column] is not None:
                found[columns[column]] = base64.b64encode(row[column]).decode()
        encode(found, buffer, at)
        buffer += b"\n"
        at = len(buffer)
        count += 1
        if at >= _AT_ONCE:
            stream.write(buffer)
            buffer.clear()
            at = 0
    stream.write(buffer)
    return count


def as_csv(columns: Sequence[str], types: Sequence[str], rows: Iterable[Row], stream: BinaryIO) -> int:
    """Write a line of names, then one for each row; ``binary`` is base64, true and false as JSON has them.

    Returns how many rows.
    """
    binary = [at for at, t in enumerate(types) if t == "binary"]
    logical = [at for at, t in enumerate(types) if t == "bool"]
    buffer = io.StringIO(newline="")
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(columns)
    count = 0
    for row in rows:
        cells = list(row)
        for at in binary:
            if cells[at] is not None:
                cells[at] = base64.b64encode(cells[at]).decode()
        for at in logical:
            cells[at] = "true" if cells[at] else "false"
        writer.writerow(cells)
        count += 1
        if buffer.tell() >= _AT_ONCE:
            stream.write(buffer.getvalue().encode())
            buffer.seek(0)
            buffer.truncate()
    stream.write(buffer.getvalue().encode())
    return count


def pyarrow() -> tuple[Any, Any]:
    """The modules ``pyarrow`` and ``pyarrow.parquet``. Raises `StoreProblem` where they are missing."""
    try:
        return importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise StoreProblem("--parquet needs pyarrow: pip install 'shoal[parquet]'") from None


def parquet(columns: Sequence[str], types: Sequence[str], rows: Iterable[Row], stream: BinaryIO) -> int:
    """Write a Parquet file; JSON is text in it. Returns how many rows. Raises `StoreProblem` without pyarrow."""
    arrow, module = pyarrow()
    known: dict[str, Callable[[], Any]] = {
        "json": arrow.string, "text": arrow.string, "binary": arrow.binary, "int": arrow.int64, "bool": arrow.bool_,
        "float": arrow.float64, "word": lambda: arrow.dictionary(arrow.int32(), arrow.string()),
    }  # fmt: skip
    schema = arrow.schema([(name, known[kind]()) for name, kind in zip(columns, types, strict=True)])
    long = [at for at, kind in enumerate(types) if kind in ("json", "text", "binary")]
    count = size = 0
    with module.ParquetWriter(stream, schema) as writer:
        part: list[Row] = []

        def flush() -> None:
            arrays = [
                arrow.array(column, kind) for column, kind in zip(zip(*part, strict=True), schema.types, strict=True)
            ]
            writer.write_table(arrow.table(arrays, schema=schema))
            part.clear()

        for row in rows:
            part.append(row)
            size += sum(len(row[at]) for at in long if row[at] is not None)
            count += 1
            if len(part) >= _ROWS or size >= _BYTES:
                flush()
                size = 0
        if part:
            flush()
    return count
