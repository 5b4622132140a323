"""``zoo history``: the models that the lab has created."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import argparse


def add_parser(subparsers: Any) -> None:
    """Add the command's parser."""
    subparsers.add_parser("history", help="show the models that were created, from LAB_HISTORY")


def run(args: argparse.Namespace) -> int:
    """Print one model a line."""
    path = Path(os.environ.get("LAB_HISTORY", os.devnull))
    for line in path.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        print(f"{row['model']}  {row['parameters']:,} parameters{'  pretrained' * row['pretrained']}")
    return 0
