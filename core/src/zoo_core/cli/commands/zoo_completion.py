"""``zoo completion``: a script that completes commands, options and model names in a shell.

Commands and options are written into the script; model names are asked for with ``zoo list``, which reads metadata.
"""

from __future__ import annotations

import argparse
from typing import Any

from zoo_core.cli.parser import examples

SHELLS = ("bash", "zsh", "fish")

BASH = """\
# zoo completion for bash: eval "$(zoo completion bash)" in ~/.bashrc
_zoo() {{
    local current="${{COMP_WORDS[COMP_CWORD]}}" tags="" words=""
    case "$current" in *.*) tags=--tags ;; esac
    if [ "$COMP_CWORD" -eq 1 ]; then
        words="{commands}"
    else
        case "${{COMP_WORDS[1]}} $current" in
{cases}
        esac
    fi
    COMPREPLY=($(compgen -W "$words" -- "$current"))
    if [ "${{#COMPREPLY[@]}}" -eq 0 ] && [ "$COMP_CWORD" -gt 1 ]; then
        COMPREPLY=($(compgen -f -- "$current"))
    fi
}}
complete -F _zoo zoo
"""
ZSH = """\
#compdef zoo
# zoo completion for zsh: eval "$(zoo completion zsh)" in ~/.zshrc, after compinit
_zoo() {{
    local current="${{words[CURRENT]}}" tags="" candidates=""
    case "$current" in *.*) tags=--tags ;; esac
    if (( CURRENT == 2 )); then
        candidates="{commands}"
    else
        case "${{words[2]}} $current" in
{cases}
        esac
    fi
    compadd -- ${{=candidates}} || _files
}}
compdef _zoo zoo
"""
FISH = """\
# zoo completion for fish: zoo completion fish > ~/.config/fish/completions/zoo.fish
function __zoo_models
    set current (commandline --current-token)
    if string match --quiet '*.*' -- $current
        zoo list --tags $current'*' 2>/dev/null
    else
        zoo list $current'*' 2>/dev/null
    end
end
complete --command zoo --condition __fish_use_subcommand --no-files --arguments '{commands}'
{cases}
"""


def add_parser(subparsers: Any) -> None:
    """Add the command's parser."""
    parser = subparsers.add_parser(
        "completion",
        help="print a script that completes commands and model names",
        description="Print a completion script for a shell.",
        epilog=examples('eval "$(zoo completion bash)"', "zoo completion fish > ~/.config/fish/completions/zoo.fish"),
    )
    parser.add_argument("shell", choices=SHELLS, help="which shell")


def run(args: argparse.Namespace) -> int:
    """Print the script."""
    print(script(args.shell), end="")
    return 0


def script(shell: str) -> str:
    """The completion script for a shell, with the commands and options that ``zoo`` has now."""
    from zoo_core.cli.main import build_parser

    commands = _subparsers(build_parser())
    names = " ".join(commands)
    if shell == "fish":
        return FISH.format(commands=names, cases="\n".join(line for item in commands.items() for line in _fish(*item)))
    variable, template = ("words", BASH) if shell == "bash" else ("candidates", ZSH)
    cases = "\n".join(line for item in commands.items() for line in _cases(*item, variable))
    return template.format(commands=names, cases=cases)


def _subparsers(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    actions = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    return dict(actions[0].choices) if actions else {}


def _options(parser: argparse.ArgumentParser) -> list[str]:
    return [option for action in parser._actions for option in action.option_strings if option.startswith("--")]


def _words(parser: argparse.ArgumentParser) -> list[str]:
    """What may stand where a command takes an argument: its own subcommands, or an argument's choices."""
    positional = [action for action in parser._actions if not action.option_strings]
    return [str(choice) for action in positional for choice in action.choices or ()]


def _takes_model(parser: argparse.ArgumentParser) -> bool:
    return any(action.metavar == "NAME" for action in parser._actions if not action.option_strings)


def _cases(name: str, parser: argparse.ArgumentParser, variable: str) -> list[str]:
    """Branches of ``case "command current"`` in bash and zsh."""
    indent = " " * 8
    lines = [f'{indent}"{name} -"*) {variable}="{" ".join(_options(parser))}" ;;']
    if _takes_model(parser):
        lines.append(f'{indent}"{name} "*) {variable}="$(zoo list $tags "$current*" 2>/dev/null)" ;;')
    elif words := _words(parser):
        lines.append(f'{indent}"{name} "*) {variable}="{" ".join(words)}" ;;')
    return lines


def _fish(name: str, parser: argparse.ArgumentParser) -> list[str]:
    start = f"complete --command zoo --condition '__fish_seen_subcommand_from {name}'"
    lines = [f"{start} --long-option {option.removeprefix('--')}" for option in _options(parser)]
    if _takes_model(parser):
        lines.append(f"{start} --arguments '(__zoo_models)'")
    elif words := _words(parser):
        lines.append(f"{start} --no-files --arguments '{' '.join(words)}'")
    return lines
