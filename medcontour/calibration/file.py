"""Whether a file is a calibration, by its published schema."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import fastjsonschema

from medcontour.errors import MedcontourError
from medcontour.limits import read_text
from medcontour.results.check import parse, schema_fault

__all__ = ["calibration_schema", "read_document"]


def calibration_schema() -> dict[str, Any]:
    """Give the JSON Schema (draft 7) of ``calibration.json``, for checking one in any language.

    Examples
    --------
    >>> calibration_schema()["properties"]["schema"]["const"]
    'medcontour/calibration/1'
    """
    text = files("medcontour.calibration").joinpath("calibration.schema.json").read_text("utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def read_document(path: Path, schema: str, strength: str) -> dict[str, Any]:
    """Read a calibration's JSON.

    Parameters
    ----------
    path
        The file.
    schema, strength
        Name of the schema that it has to be of, and of the number that it has to hold.

    Raises
    ------
    MedcontourError
        With what is wrong, and where.
    """
    again = "make it again with `medcontour calibrate`."
    try:
        document = parse(read_text(path))
    except OSError as error:
        raise MedcontourError(
            f"{path} cannot be read ({error.strerror}); give the file that `medcontour calibrate` "
            "wrote."
        ) from error
    except (ValueError, RecursionError) as error:
        raise MedcontourError(f"{path} is not a whole JSON file; {again}") from error
    found = document.get("schema") if isinstance(document, dict) else None
    if found != schema:
        named = f"has the schema {found!r}" if isinstance(found, str) else "names no schema"
        raise MedcontourError(
            f'{path} {named} where this version reads "{schema}"; give a file that this version\'s '
            "`medcontour calibrate` wrote."
        )
    try:
        _validate()(document)
    except fastjsonschema.JsonSchemaValueException as error:
        raise MedcontourError(
            f"{path} lacks or garbles a part of the schema ({schema_fault(error)}); {again}"
        ) from error
    if document["strength"] != strength:
        raise MedcontourError(
            f'{path} compares findings by "{document["strength"]}" where this version goes by '
            f'"{strength}"; {again}'
        )
    return dict(document)


@cache
def _validate() -> Callable[[Any], object]:
    compiled: Callable[[Any], object] = fastjsonschema.compile(calibration_schema())
    return compiled
