"""The subcommands of ``zoo``, a file each: ``add_parser(subparsers)`` and ``run(args) -> int``."""
