"""The README's Python says and does what the packages do."""

import re
from ast import literal_eval
from pathlib import Path

import torch

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_the_python_runs_and_yields_what_its_comments_say():
    (block,) = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
    names = {}
    exec(block, names)
    said = re.findall(r"^(\S.*?)  # (\[.*\])$", block, re.MULTILINE)
    assert said
    for expression, value in said:
        assert eval(expression, names) == literal_eval(value)
    net = names["net"].eval()
    assert net(torch.zeros(1, *net.default_cfg["input_size"])).shape == (1, 10)
