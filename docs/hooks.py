"""What the site takes from the package itself: the commands, and the schema of suggestion.json."""

from __future__ import annotations

import json
from typing import Any

from typer import Context
from typer.cli import get_docs_for_click
from typer.main import get_command

import medcontour.cli  # noqa: F401  (all commands enter the app)
from medcontour.cli.app import app
from medcontour.results import suggestion_schema

SCHEMA = suggestion_schema()
TABLES = {name: part for name, part in SCHEMA["definitions"].items() if "properties" in part}
DICOMWEB = "[Scans in an archive](../how-to/dicomweb.md)"


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Put what is generated in the place of its mark."""
    if page.file.src_uri == "reference/command-line.md":
        return markdown.replace("<!-- commands -->", _commands())
    if page.file.src_uri == "reference/suggestion-json.md":
        return markdown.replace("<!-- schema -->", _schema())
    return markdown


def _commands() -> str:
    """Every command with its arguments and options, as typer itself writes them."""
    command = get_command(app)
    written = get_docs_for_click(obj=command, ctx=Context(command), name="medcontour")
    return written[written.index("\n## ") :].replace("docs/how-to/dicomweb.md", DICOMWEB)


def _schema() -> str:
    """A table for each object of the schema."""
    tables = [_table(name.capitalize(), part) for name, part in TABLES.items()]
    return "\n\n".join([_table("The document", SCHEMA), *tables])


def _table(title: str, part: dict[str, Any]) -> str:
    lines = [f"## {title}", "", part["description"], "", "| key | is | |", "|---|---|---|"]
    for key, value in part["properties"].items():
        said = value.get("description", "")
        if key not in part.get("required", ()):
            said = f"{said} May be missing.".strip()
        lines.append(f"| `{key}` | {_kind(value)} | {said} |")
    return "\n".join(lines)


def _kind(value: dict[str, Any]) -> str:
    if "$ref" in value:
        name = value["$ref"].rsplit("/", 1)[1]
        named = name.replace("_", " ")
        return f"[{named}](#{name})" if name in TABLES else named
    if "enum" in value or "const" in value:
        return ", ".join(f"`{json.dumps(v)}`" for v in value.get("enum", [value.get("const")]))
    kind = value.get("type", "anything")
    text = " or ".join(kind) if isinstance(kind, list) else str(kind)
    items = value.get("items", {})
    return f"{text} of {_kind(items)}" if "$ref" in items else text
