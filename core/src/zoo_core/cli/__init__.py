"""The command ``zoo``: a module per subcommand, with `add_parser` and `run`; it imports what it needs when it runs."""
