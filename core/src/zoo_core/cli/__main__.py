"""``python -m zoo_core.cli``: the command, where its script is not on the path."""

import sys

from zoo_core.cli.main import main

sys.exit(main())
