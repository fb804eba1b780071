"""Whether a JSON document is a suggestion: the published schema, and what no schema can say."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import Any

import fastjsonschema

__all__ = ["check_document", "parse", "schema_fault", "suggestion_schema"]


def suggestion_schema() -> dict[str, Any]:
    """Give the JSON Schema (draft 7) of ``suggestion.json``, for checking one in any language.

    It lies beside this module as ``suggestion.schema.json``, and is what `Suggestion.read_json`
    itself goes by.

    Examples
    --------
    >>> suggestion_schema()["properties"]["schema"]["const"]
    'medcontour/suggestion/2'
    """
    text = files("medcontour.results").joinpath("suggestion.schema.json").read_text("utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def parse(text: str) -> Any:
    """Parse JSON whose numbers are all finite.

    Raises
    ------
    ValueError
        For what is no JSON, and for NaN and infinity.
    """
    return json.loads(text, parse_constant=_finite, parse_float=_finite)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is no finite number")
    return number


def check_document(document: dict[str, Any]) -> None:
    """Refuse a document that does not keep to the schema, or names a slice that is not there.

    Raises
    ------
    ValueError
        With the place of the first fault, such as ``findings[3].score``.
    """
    try:
        _validate()(document)
    except fastjsonschema.JsonSchemaValueException as error:
        raise ValueError(schema_fault(error)) from error
    slices = document["scan"]["shape"][0]
    for number, finding in enumerate(document["findings"]):
        for part in finding["slices"]:
            for own in (part, *part["evidence_contours"], *part["outlines"]):
                if own["slice"] >= slices:
                    raise ValueError(
                        f"findings[{number}] names a slice that the scan does not have"
                    )


@cache
def _validate() -> Callable[[Any], object]:
    compiled: Callable[[Any], object] = fastjsonschema.compile(suggestion_schema())
    return compiled


def schema_fault(error: fastjsonschema.JsonSchemaValueException) -> str:
    """Say what a schema's validator found: the place, or the key it lacks; never the value."""
    # fastjsonschema 2.16 names an entry of a list by its own variable, not by its number.
    name = re.sub(r"\[\{\w+\}\]", "", error.name)
    place = name.removeprefix("data").removeprefix(".") or "the document"
    if error.rule == "required":
        lacking = next(key for key in error.rule_definition if key not in error.value)
        return f"{place} has no {lacking}"
    return f"{place} is not what it should be"
