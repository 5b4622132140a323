"""The command ``zoo``: its frame. Nothing heavy is imported before a command runs.

- `main` dispatches to the built-in `commands` and to `plugin_commands`; the `parser` is common.
- `output` prints tables and JSON; `terminal` escapes what would steer a terminal;
  `interrupts` keeps Ctrl-C.
- `checkpoint` creates models with weights of the user's own.
"""
