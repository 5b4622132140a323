"""Plugins that misbehave: listings run nothing of them, and an error names the one to blame."""

from __future__ import annotations

import json
import os
import random
import shutil
import warnings
from pathlib import Path
from typing import Any

from commands import run_command, server, take_on
from sites import Site
from stress.tally import Tally

HEALTHY = {"good18": ["a", "b"], "good101": []}
RAN = "import os, pathlib; pathlib.Path(os.environ['RAN']).touch()\n"
ENDLESS = {
    "hangs": "import time\nwhile True: time.sleep(1)\n",
    "ends the process": "import os; os._exit(0)\n",
    "kills the process": "import os, signal; os.kill(os.getpid(), signal.SIGKILL)\n",
    "crashes": "import ctypes; ctypes.string_at(0)\n",
    "patches Python": "import json, os; json.loads = json.dumps = os.listdir = None\n",
    "closes the outputs": "import os; os.close(1); os.close(2)\n",
}
"""Against these only not importing helps."""
RAISES = {
    "raises": "raise ValueError('no')\n",
    "raises with an odd text": "raise ValueError('a\\n\\x1b[2J\\u202e' * 50)\n",
    "raises what cannot be printed": "class E(Exception):\n    def __str__(self): raise RuntimeError\nraise E\n",
    "exits": "raise SystemExit(0)\n",
    "exits with a text": "import sys; sys.exit('bye\\x1b[2J')\n",
    "is no Python": "def (\n",
    "lacks a module": "import surely_missing\n",
    "recurses": "def f(): f()\nf()\n",
    "takes all memory": "raise MemoryError\n",
    "stops an iteration": "raise StopIteration\n",
    "removes itself": "import sys; del sys.modules[__name__]\nraise KeyError(__name__)\n",
    "raises a warning": "raise UserWarning('odd')\n",
}
QUIET = {
    "prints": "import sys; print('[1, 2'); print('\\x1b[2J', file=sys.stderr)\n",
    "warns": "import warnings; warnings.warn('\\x1b[2J odd')\n",
    "patches torch": "import torch; torch.nn.Module.__call__ = torch.load = None\n",
    "starts a thread": "import threading, time\nthreading.Thread(target=time.sleep, args=(9,), daemon=True).start()\n",
    "replaces another": "import sys; sys.modules['zoo_good'] = sys\n",
    "handles signals": "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n",
}
SOURCES = {**ENDLESS, **RAISES, **QUIET}
SPOOFS = ("nothing", "nothing", "a name", "a distribution", "a family", "a package", "an alias")


def install(site: Site, source: str, group: str, spoof: str) -> str:
    """Write the healthy plugin, and one that misbehaves; return the latter's name."""
    site.plugin("zoo-good", HEALTHY)
    names = {"bad": ["t"], **({"good18": ["a"]} if spoof == "a name" else {})}
    aliases = {"good101": "bad"} if spoof == "an alias" else {}
    body = f"{RAN}{source}from zoo_core.hooks import hookimpl\n@hookimpl\ndef zoo_add_commands(): return {{}}\n"
    files = {"__init__.py": f"{body}def bad(pretrained=False, **options): return 'bad'\ngood18 = bad\n"}
    family = "good" if spoof == "a family" else "bad"
    if spoof == "a distribution":
        site.package("zoo_bad", files)
        site.info("zoo-good", "9.0", f"[zoo_core.{group}]\nbad = zoo_bad\n")
        return "zoo-good"
    if group == "models":
        site.plugin("zoo-bad", names, family=family, files=files, aliases=aliases)
        if spoof == "a package":
            points = site.root / "zoo_bad-1.0.dist-info" / "entry_points.txt"
            points.write_text("[zoo_core.models]\nbad = zoo_good:models.json\n")
    else:
        site.package("zoo_bad", files)
        site.info("zoo-bad", entry_points="[zoo_core.hooks]\nbad = zoo_bad\n")
    return "zoo-bad"


def run(count: int, folder: Path, seed: int = 0) -> list[Tally]:
    """Install `count` of them, and list, examine and create with each."""
    draw = random.Random(seed)
    listed = Tally("A plugin that misbehaves changes no listing, and runs in none", "plugins")
    created = Tally("A plugin that fails is named, and the others work", "plugins")
    for number in range(count):
        root = folder / str(number)
        site, group = Site(root), draw.choice(["models", "hooks"])
        what, spoof = draw.choice([*SOURCES]), draw.choice(SPOOFS)
        culprit = install(site, SOURCES[what], group, spoof)
        where = f"a plugin of {group} that {what} and spoofs {spoof}"
        kept = {key: value for key, value in os.environ.items() if key not in ("ZOO_PLUGINS", "ZOO_DISABLE_PLUGINS")}
        environment = {**kept, "PYTHONPATH": str(root), "RAN": str(root / "ran"), "ZOO_CACHE": str(root / "cache"),
                       "HOME": str(root), "ZOO_OFFLINE": "1"}  # fmt: skip
        doubtful = spoof == "a distribution" or (group == "models" and spoof in ("a name", "a package"))
        problem = _list(environment, folder, culprit if doubtful else "", replaced=spoof == "a distribution")
        listed.add("as without it" if not problem else "changed", f"{where}: {problem}" if problem else "")
        if what not in ENDLESS and spoof != "a distribution":
            problem, outcome = _create(environment, folder, what, group, spoof)
            created.add(outcome, f"{where}: {problem}" if problem else "")
        shutil.rmtree(root)
    return [listed, created]


def _list(environment: dict[str, str], folder: Path, spoofs: str, *, replaced: bool) -> str:
    """Return what a listing or the doctor does wrong.

    Where it `spoofs`, a name is either still the healthy plugin's, or said with its plugin; and the
    doctor names it. Another distribution of the same name is another version of it.
    """
    done = run_command("list", "--json", cwd=folder, env=environment)
    names = {*json.loads(done.stdout or "[]")}
    missing = [name for name in HEALTHY if name not in names and f"zoo-good/{name}" not in names]
    if done.returncode > replaced or (missing and not replaced):
        return f"list exits with {done.returncode}: {done.stdout[:300]} {done.stderr[:300]}"
    for argv in (["info", "zoo-good/good101"], ["plugins"], ["completion", "bash"])[replaced:]:
        done = run_command(*argv, cwd=folder, env=environment)
        if done.returncode or done.stderr:
            return f"{argv} exits with {done.returncode}: {done.stderr[:300]}"
    done = run_command("doctor", "--json", cwd=folder, env=environment)
    if done.returncode not in (0, 1) or done.stderr or (spoofs and not done.returncode):
        return f"doctor exits with {done.returncode}: {done.stderr[:300]}"
    problems = json.loads(done.stdout)["problems"]
    if spoofs and not any(spoofs in json.dumps(each) for each in problems):
        return f"the doctor does not name {spoofs}: {problems}"
    ran = Path(environment["RAN"])
    return f"it ran: {ran.read_text()}" if ran.exists() else ""


def _create(environment: dict[str, str], folder: Path, what: str, group: str, spoof: str) -> tuple[str, str]:
    """Return what a creation does wrong, and how it ended."""
    outputs = [folder / "stdout", folder / "stderr"]
    for path in outputs:
        path.write_bytes(b"")
    answer = folder / "answer.json"
    answer.unlink(missing_ok=True)
    process = server().Process(target=_child, args=(answer, folder, environment, outputs))
    process.start()
    process.join(60)
    if process.exitcode != 0 or not answer.exists():
        process.kill()
        return f"the process ended with {process.exitcode}: {outputs[1].read_text()[-500:]}", "died"
    good, bad, warned = json.loads(answer.read_text())
    doubtful = spoof == "a package" and "zoo-bad/good101" in good
    if good != "good101" and what != "replaces another" and not (group == "models" and doubtful):
        return f"the healthy one gives {good}", "changed"
    if group == "hooks":
        named = any("zoo-bad" in each for each in warned) or what in QUIET
        return ("" if named else f"nobody is named in {warned}"), "left out" if what in RAISES else "taken"
    if what in RAISES and spoof != "a package":
        return ("" if "plugin zoo-bad" in bad else f"nobody is named in {bad!r}"), "named"
    return "", "taken"


def _child(answer: Path, folder: Path, environment: dict[str, str], outputs: list[Path]) -> None:
    """Create a model of each plugin; write what came of it."""
    dumps = json.dumps
    take_on(folder, environment, outputs)
    import zoo_core as zoo
    from zoo_core.errors import ZooError
    from zoo_core.hooks.manager import hook_manager

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        hook_manager()
        results: list[Any] = []
        for name in ("good101", "bad"):
            try:
                made = zoo.model_entrypoint(name)()
                results.append(made[0] if isinstance(made, tuple) else str(made))
            except ZooError as error:
                results.append(str(error))
        warned = [str(each.message) for each in caught]
    answer.write_text(dumps([*results, warned]))
