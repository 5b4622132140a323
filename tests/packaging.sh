#!/usr/bin/env bash
# The packaging proof: build every wheel, install them into a clean venv, and list, create, extract, classify and
# check there, away from the source tree. zoo-core comes first, alone: it must say what the other packages are for.
# (tests/test_installation.py tries the extras of zoo-core one by one, without a network.)
#
#     bash tests/packaging.sh [FOLDER]    # of wheels that are built already, such as dist/ of `make release`
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

wheels=${1:+$root/$1}
if [ -z "$wheels" ]; then
    wheels=$work/wheels
    for package in core plugins/*; do
        .venv/bin/python -m build --quiet --wheel --outdir "$wheels" "$package"
    done
fi
ls "$wheels"

"${PYTHON:-python3}" -m venv "$work/venv"
install() {
    "$work/venv/bin/python" -m pip install --quiet --disable-pip-version-check --constraint "$root/constraints.txt" "$@"
}

install torch "$wheels"/zoo_core-*.whl
cd "$work"
for lacking in "check zoo-kit" "classify zoo-images" "optimize zoo-inference"; do
    read -r command package <<<"$lacking"
    said=$("$work/venv/bin/zoo" "$command" anything 2>&1) && { echo "zoo $command works without $package"; exit 1; }
    grep --quiet "pip install $package" <<<"$said" || { echo "zoo $command says: $said"; exit 1; }
done
"$work/venv/bin/zoo" doctor

core=$(echo "$wheels"/zoo_core-*.whl)
install "$core[all]" "$wheels"/*.whl
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
"$work/venv/bin/python" -c "from PIL import Image; Image.new('L', (40, 40), 'white').save('white.png')"
"$work/venv/bin/zoo" classify test_resnet.digits white.png
"$work/venv/bin/zoo" check "$wheels"/zoo_resnet-*.whl --only manifest --only shipped-weights
echo "packaging proof passed"
