"""Features of a folder of photos against what people write. Needs the peers.

    python benchmarks/extract.py
    python benchmarks/extract.py --images 150 --rounds 2  # in short, to see where a change leads
    python benchmarks/extract.py --memory

Contestants, each in a process of its own on the same files, with as many processes: `zoo extract`
with each of its decoders; a careful script with timm, ImageFolder and DataLoader; transformers'
pipeline "image-feature-extraction" over the same weights.
Photos are generated: smooth scenes with sensor noise, 1600 x 1200. Targets are for ``pillow``, the
default, by the clock; ratios of CPU time say more where other programs run beside.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from harness import Report, begin, children

ROOT = Path(__file__).parents[1]
TESTS = str(ROOT / "tests")

ZOO = """
import sys
from zoo_core.cli.main import main
model, photos, output, processes = sys.argv[1:]
command = ["extract", photos, "--model", model, "--output", output, "--random", "--decoder", "pillow"]
main([*command, "--workers", str(int(processes) - 1), "--threads", "1", "--json"])
"""
TIMM = """
import sys
import peers
peers.prepare()
import numpy as np, timm, torch
from torch.utils.data import DataLoader
from torchvision.datasets import ImageFolder
model, photos, output, processes = sys.argv[1:]
net = timm.create_model(model, num_classes=0).eval()
transform = timm.data.create_transform(**timm.data.resolve_model_data_config(net), is_training=False)
loader = DataLoader(ImageFolder(photos, transform), batch_size=32, num_workers=int(processes) - 1, prefetch_factor=3)
with torch.inference_mode():
    features = torch.cat([net(images) for images, _ in loader])
np.save(output, features.numpy())
"""
TRANSFORMERS = """
import sys
import peers
peers.prepare()
from pathlib import Path
import numpy as np, torch
from transformers import pipeline
from transformers.models.timm_wrapper import TimmWrapperConfig, TimmWrapperImageProcessor, TimmWrapperModel
model, photos, output, processes = sys.argv[1:]
import timm
cfg = timm.get_pretrained_cfg(model).to_dict()
config = TimmWrapperConfig(architecture=model, pretrained_cfg=cfg)
pipe = pipeline("image-feature-extraction", model=TimmWrapperModel(config).eval(),
                image_processor=TimmWrapperImageProcessor(cfg, architecture=model), framework="pt")
paths = sorted(map(str, Path(photos).rglob("*.jpg")))
features = [row[0] for row in pipe(paths, pool=True, batch_size=32, num_workers=int(processes) - 1)]
np.save(output, np.array(features, dtype=np.float32))
"""
PEAK = """
import resource
from pathlib import Path
Path(output + ".peak").write_text(str(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024))
"""
CONTESTANTS = {
    "zoo": ZOO,
    "timm": TIMM,
    "transformers": TRANSFORMERS,
    "zoo simplejpeg": ZOO.replace("pillow", "simplejpeg"),
    "zoo draft": ZOO.replace("pillow", "draft"),
}
TARGETS = {"timm": 1.2, "transformers": 1.5}


def main() -> None:
    """Print images per second of each, and ratios to ours."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--processes", type=int, default=2, help="of each contestant")
    parser.add_argument("--models", nargs="*", default=["resnet18", "test_resnet"])
    parser.add_argument("--only", nargs="*", default=list(CONTESTANTS), choices=list(CONTESTANTS), help="contestants")
    parser.add_argument("--memory", action="store_true", help="peak memory of ours at 1,000 and 10,000 small images")
    args, report = begin(parser)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if args.memory:
            return memory(folder)
        write_photos(folder / "photos" / "all", args.images)
        for model in args.models:
            compare(report, model, folder, args)
    report.write()
    return None


def compare(report: Report, model: str, folder: Path, args: argparse.Namespace) -> None:
    """Run the contestants in turn, and add the rows."""
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in CONTESTANTS if name in {"zoo", *args.only}}
    for _ in range(args.rounds):
        for name in list(taken):
            if (took := run(CONTESTANTS[name], model, folder, args.processes)) is None:
                print(f"{model}: {name} does not have it")
                del taken[name]
            else:
                taken[name].append(took)
    for name, times in taken.items():
        rate = args.images / statistics.median(seconds for seconds, _ in times)
        report.note(f"{model}: {name}: {rate:.1f} images/s")
    for name in [name for name in taken if name != "zoo"]:
        for which, clock in enumerate(("by the clock", "CPU time")):
            pair = {each: [took[which] for took in taken[each]] for each in ("zoo", name)}
            target = None if which else TARGETS.get(name)
            report.add(f"{model}: {args.images} images, {clock}", pair, over=name, target=target)


def run(program: str, model: str, folder: Path, processes: int) -> tuple[float, float] | None:
    """Run one contestant. Returns its seconds and its CPUs'; None where it has no such model."""
    output = folder / "output"
    shutil.rmtree(output, ignore_errors=True)
    environment = {**os.environ, "PYTHONPATH": TESTS, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-W", "ignore", "-c", program, model, str(folder / "photos"), str(output)]
    began, cpu_began = time.perf_counter(), children()
    done = subprocess.run([*command, str(processes)], env=environment, capture_output=True, text=True, check=False)
    took = time.perf_counter() - began, children() - cpu_began
    if done.returncode and "nknown model" in done.stderr:
        return None
    if done.returncode:
        raise SystemExit(done.stderr)
    return took


def memory(folder: Path) -> None:
    """Print the peak memory of the process that computes, for a tenth and all of the images."""
    for count in (1000, 10_000):
        shutil.rmtree(folder / "photos", ignore_errors=True)
        write_photos(folder / "photos" / "all", count, side=160)
        run(ZOO + PEAK, "test_resnet", folder, 2)
        print(f"{count:6d} images: peak {(folder / 'output.peak').read_text()} MB")


def write_photos(folder: Path, count: int, side: int = 1200) -> None:
    """Write JPEGs, 4 to 3: a hundred that differ, and copies of them."""
    import numpy as np
    from PIL import Image

    numbers = np.random.default_rng(0)
    folder.mkdir(parents=True)
    width = side * 4 // 3
    for number in range(count):
        path = folder / f"{number:05d}.jpg"
        if number >= 100:
            shutil.copyfile(folder / f"{number % 100:05d}.jpg", path)
            continue
        scene = Image.fromarray(numbers.integers(0, 256, (12, 16, 3), dtype=np.uint8)).resize((width, side), 3)
        noisy = np.asarray(scene) + numbers.normal(0, 5, (side, width, 3))
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(path, quality=88)


if __name__ == "__main__":
    main()
