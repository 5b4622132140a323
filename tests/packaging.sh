#!/usr/bin/env bash
# The packaging proof: build every wheel, install them into a clean venv, and list, create and extract there,
# away from the source tree.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for package in core plugins/*; do
    .venv/bin/python -m build --quiet --wheel --outdir "$work/wheels" "$package"
done
ls "$work/wheels"

"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
    torch "$work"/wheels/*.whl

cd "$work"
"$work/venv/bin/python" - "$root" <<'PYTHON'
import sys

import zoo_core as zoo

root = sys.argv[1]
names = zoo.list_models()
assert names, "no plugin was found"
assert "torch" not in sys.modules, "listing imported torch"

import torch

assert not zoo.__file__.startswith(root), f"the source tree is in use: {zoo.__file__}"
for name in zoo.list_pretrained("test_*.digits"):
    logits = zoo.create_model(name, pretrained=True).eval()(torch.zeros(1, 3, 32, 32))
    maps = zoo.create_model(name, pretrained=True, features_only=True)(torch.zeros(2, 3, 64, 64))
    print(f"{name}: logits {tuple(logits.shape)}, maps {[tuple(item.shape[1:]) for item in maps]}")
    assert logits.shape == (1, 10)
print(f"{len(names)} architectures of {len(zoo.list_families())} families")
PYTHON
"$work/venv/bin/zoo" list "test_*"
"$work/venv/bin/zoo" doctor
echo "packaging proof passed"
