"""The built-in commands of ``zoo``, a module each; commands of plugins have the same two functions.

- ``add_parser(subparsers)`` adds the command's parser: its help, and as epilogue its examples.
  It runs whenever ``zoo`` starts, so the module imports slow things where it uses them.
- ``run(args)`` returns the exit code; None means 0. Errors become one line and exit code 2 (see
  ``zoo_core.cli.main``). With ``--json``, ``print_json`` alone writes to standard output: what
  anything else prints goes to standard error.

`zoo_list`, `zoo_info`, `zoo_compare`, `zoo_download`, `zoo_lock`, `zoo_cache`, `zoo_plugins`,
`zoo_doctor`, `zoo_completion`.
"""
