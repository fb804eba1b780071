"""What a contour costs: the paper preset against the others, on up to five workloads.

    python experiments/speed.py --data DATA --images 100 --out OUT

The sample's phantoms, and of DATA what is there: breast lesions (``busi``), brain tumours
(``brain_mri``) and photographs (``imagenet_val``), with their ``classifiers``, whose ``flatnet.py``
is run. The paper preset spends 1000 evaluations a contour: 6 images of each end within 20 minutes
on two cores. ``--networks`` holds networks of ``presence_network.py`` (``lgg_flair``). A stopped
run goes on where it was. ``medcontour benchmark speed`` compares the presets on a scan and a
classifier of your own.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from natural_images import told
from speed_workloads import find_workloads, slice_runs

from medcontour import benchmark


def main() -> None:
    """Measure, write and print the table."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--data", type=Path, help="default: the phantoms alone")
    parser.add_argument("--networks", type=Path, help="default: none")
    parser.add_argument("--images", type=int, default=6)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    workloads = find_workloads(options.data, options.images, networks=options.networks)
    runs = slice_runs(max(1, options.images // 4))
    speed = benchmark.measure_speed(workloads, runs, options.out, told)
    benchmark.write_speed(speed, options.out)
    print(benchmark.table(speed))


if __name__ == "__main__":
    main()
