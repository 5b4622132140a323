"""Known holes in the libraries that read weights, by the version that closed them."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

CLOSED_IN = {
    "torch": (
        ("CVE-2025-32434", "2.6", "torch.load(weights_only=True) can run code from a file"),
        ("CVE-2026-24747", "2.10", "torch.load(weights_only=True) can corrupt memory, and so run code from a file"),
    ),
}
"""Distribution to its holes: a name, the first version without it, and what it permits."""


def holes(chosen: Mapping[str, str]) -> Iterator[tuple[str, str, str]]:
    """Yield (distribution, fault, remedy) of the installed versions that have one.

    Args:
        chosen: every distribution, with its metadata directory.
    """
    from packaging.version import InvalidVersion, Version

    from zoo_core.discovery.entry_points import identity

    for distribution, known in CLOSED_IN.items():
        if distribution not in chosen:
            continue
        version = identity(chosen[distribution])[1]
        try:
            # A candidate has what its release has, and so has a local version (2.6.0+cpu).
            installed = Version(Version(version).base_version)
        except InvalidVersion:
            continue
        open_ = [(name, closed, what) for name, closed, what in known if installed < Version(closed)]
        if open_:
            newest = max((closed for _, closed, _ in open_), key=Version)
            listed = " and ".join(f"{name}: {what}" for name, _, what in open_)
            yield (
                distribution,
                f"{distribution} {version} has known holes: {listed}",
                (f"pip install '{distribution}>={newest}', and read safetensors alone until then"),
            )
