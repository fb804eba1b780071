"""What a client can cause and mend: a status and one sentence, no traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import HTTPException
from monailabel.interfaces.exception import MONAILabelException

from medcontour import MedcontourError

__all__ = ["plainly"]


@contextmanager
def plainly() -> Iterator[None]:
    """Turn the errors of medcontour and of MONAI Label into an answer with one sentence."""
    try:
        yield
    except MedcontourError as error:
        raise HTTPException(status_code=400, detail=str(error)) from error
    except MONAILabelException as error:
        raise HTTPException(status_code=404, detail=error.msg) from error
