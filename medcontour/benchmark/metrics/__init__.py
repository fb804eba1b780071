"""Metrics of explanations: where the map lies, how spread out it is, whether the network agrees.

All are in torch, batched and n-dimensional: maps are (B, *spatial) with any number of spatial
axes, on any device, and the result is (B,) float64. A batch gives what its images give one by
one. What cannot be judged (an empty truth, a map of zeros) is NaN, never a lucky number.

Ties never depend on a sort: a rank metric is its expected value under a random order of what is
equal. Signs: sum a signed map over its channels first; `relevance_mass` clips it at 0,
`complexity`, `sparseness` take its absolute value, and whatever ranks takes it as it is.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
