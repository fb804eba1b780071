"""Names of export formats, as commands take them."""

from __future__ import annotations

from medcontour.errors import MedcontourError
from medcontour.results.exporter import format_names

__all__ = ["chosen_formats"]


def chosen_formats(text: str | None) -> list[str] | None:
    """Names of export formats, comma separated, each checked; None for the default."""
    if text is None:
        return None
    chosen = [name.strip() for name in text.split(",") if name.strip()]
    known = format_names()
    for name in chosen:
        if name not in known:
            raise MedcontourError(
                f'There is no export format "{name}"; choose from {", ".join(known)}.'
            )
    return chosen
