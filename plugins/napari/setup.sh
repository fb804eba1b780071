#!/usr/bin/env bash
# bash plugins/napari/setup.sh DIR: makes a virtual environment with napari, medcontour and this plugin.
# A viewer without a screen needs Xvfb and libxcb-icccm4, libxcb-keysyms1, libxcb-cursor0,
# libxkbcommon-x11-0, libgl1 and libegl1 of the system.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
environment=${1:?"give the folder of the new environment"}

python3 -m venv "$environment"
"$environment/bin/pip" install PySide6-Essentials "$here/../.." "$here/../client" "$here[local,test]"
"$environment/bin/python" -c "import medcontour_napari, medcontour" > /dev/null
