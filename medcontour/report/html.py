"""How pages are made of templates."""

from __future__ import annotations

from functools import cache

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

from medcontour.report import words
from medcontour.report.meanings import removed
from medcontour.results.numbering import slice_numbers

__all__ = ["page_templates"]


@cache
def page_templates(*rooms: str) -> Environment:
    """Give the templates of some rooms and of the report, with the words for figures as filters.

    What a template names and is not given is an error; what it shows is escaped. A template is
    compiled once.

    Examples
    --------
    >>> page_templates().from_string("{{ 0.04 | p_value }} {{ '<b>' }}").render()
    '0.04 &lt;b&gt;'
    """
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(room) for room in (*rooms, "medcontour.report")]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["probability"] = words.probability
    environment.filters["p_value"] = words.p_value
    environment.filters["removed"] = removed
    environment.filters["diameter"] = words.diameter
    environment.filters["slice_numbers"] = slice_numbers
    environment.filters["trust"] = words.trust
    environment.filters["volume"] = words.volume
    return environment
