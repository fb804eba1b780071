from __future__ import annotations

import pytest
from planted_images import Planted, plant


@pytest.fixture
def planted() -> Planted:
    return plant([(0.4, 0.3), (-0.5, -0.4), (0.0, 0.1)], [0.2, 0.15, 0.3])
