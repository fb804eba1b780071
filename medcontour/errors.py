"""What a user can cause and mend, in one sentence."""

from __future__ import annotations

from medcontour.privacy import discreet

__all__ = ["MedcontourError"]

_LONGEST = 8000


class MedcontourError(Exception):
    r"""An error that a user can mend: one plain sentence with what, where and the remedy.

    The command line prints its text and exits with 1. The text never holds a patient's name,
    identifier or birth date, nor such parts of a path (`medcontour.privacy`). What a damaged file
    puts into it (line breaks, control characters, text without end) does not come out of it: it
    stays one line of a bounded length.

    Examples
    --------
    >>> str(MedcontourError("There is no label \"a\nb\"; choose another."))
    'There is no label "a b"; choose another.'
    """

    def __init__(self, sentence: str) -> None:
        plain = "".join(letter if letter.isprintable() else " " for letter in discreet(sentence))
        if len(plain) > _LONGEST:
            plain = f"{plain[: _LONGEST // 2]} ... {plain[-_LONGEST // 2 :]}"
        super().__init__(plain)
