"""Where things are on the page."""

from __future__ import annotations

from typing import Any

import numpy as np


def handle(page: Any, number: int = 3) -> tuple[float, float]:
    """Where a control point of the chosen outline is on the screen."""
    return page.evaluate(
        """async (number) => {
            const { now, view } = await import('./state.js');
            const corner = now.outline.polygon[now.handles[number]];
            const ratio = window.devicePixelRatio || 1;
            const box = view.canvas.getBoundingClientRect();
            const [x, y] = view.fit().to(corner);
            return [box.left + x / ratio, box.top + y / ratio];
        }""",
        number,
    )


def drag(page: Any, across: float, down: float, steps: int = 4) -> None:
    """Drag a control point of the chosen outline, in pixels of the screen."""
    x, y = handle(page)
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x + across, y + down, steps=steps)
    page.mouse.up()


def outline(page: Any) -> np.ndarray:
    """The chosen outline as the page has it, LPS mm."""
    found = page.evaluate("import('./state.js').then(({ now, lpsOf }) => lpsOf(now.outline))")
    return np.asarray(found, dtype=float)
