"""The app, and how commands end: 0 done, 1 an error in one sentence, 2 wrong usage."""

from __future__ import annotations

import sys
import warnings
from itertools import takewhile
from pathlib import Path

import typer

from medcontour.errors import MedcontourError
from medcontour.privacy import discreet, keep_private

__all__ = ["app", "main"]

app = typer.Typer(
    name="medcontour",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


PATHS = ("--classifier", "--out", "--scan")
"""Options that take a path."""

SEVERAL = ("--archive", "--name")
"""Options that may be given several times."""


@app.callback()
def _medcontour() -> None:
    """From a trained image classifier to editable contours, in patient space.

    An **evidence contour** is the smallest smooth curve that by itself keeps the classifier's
    score and whose removal takes it away. From there an **outline** follows the image to the
    boundary, for a reader to edit.
    """


def _refuse_empty(arguments: list[str]) -> None:
    """Say which path is empty: nothing is called so, and an unset variable is no folder."""
    for place, argument in enumerate(arguments):
        before = arguments[place - 1] if place else ""
        option = before if not argument else argument.removesuffix("=")
        if argument and not (argument.endswith("=") and option in PATHS):
            continue
        if option.startswith("-") and option not in PATHS:
            continue  # what it takes says itself what is wrong
        what = f"The value of {option}" if option in PATHS else "An argument"
        print(f"{what} is empty; give it, or leave the option out.", file=sys.stderr)
        sys.exit(1)


def _refuse_twice(arguments: list[str]) -> None:
    """Say which option is given twice: of two values one would be passed over in silence."""
    given = [
        argument.partition("=")[0]
        for argument in takewhile(lambda argument: argument != "--", arguments)
        if argument.startswith("--")
    ]
    for option in given:
        if given.count(option) > 1 and option not in SEVERAL:
            print(
                f"{option} is given twice; give it once (where it takes several values, with "
                "commas between).",
                file=sys.stderr,
            )
            sys.exit(1)


def _exists(argument: str) -> bool:
    try:
        return Path(argument).exists()
    except (OSError, ValueError):  # longer than a name may be
        return False


def main() -> None:
    """Run the command line."""
    warnings.simplefilter("ignore")
    _refuse_empty(sys.argv[1:])
    _refuse_twice(sys.argv[1:])
    for argument in sys.argv[1:]:
        if "://" not in argument:  # which is an archive's address
            for path in (argument, *argument.split(":")):  # learned:FILE
                if set(path) & {"/", "\\"} or _exists(path):
                    keep_private(path)
    try:
        app()
    except MedcontourError as error:
        print(error, file=sys.stderr)
        sys.exit(1)
    except (MemoryError, OSError) as error:
        print(discreet(f"The work stopped: {type(error).__name__}: {error}."), file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        sys.exit(130)
