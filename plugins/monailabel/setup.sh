#!/usr/bin/env bash
# bash plugins/monailabel/setup.sh DIR: makes a virtual environment with MONAI Label and medcontour.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
environment=${1:?"give the folder of the new environment"}

python3 -m venv "$environment"
# MONAI Label asks for sam2, which is built from source; this app does not use it.
SAM2_BUILD_CUDA=0 "$environment/bin/pip" install -r "$here/requirements.txt" "$here/../.."
# MONAI Label's pydicom-seg imports a module that pydicom 3 no longer has; its names live in
# pydicom.uid now.
site=$("$environment/bin/python" -c "import pydicom; print(pydicom.__path__[0])")
echo "from pydicom.uid import *  # a stand-in, for pydicom-seg" > "$site/_storage_sopclass_uids.py"
"$environment/bin/python" -c "import medcontour, monailabel.datastore.dicom" > /dev/null
