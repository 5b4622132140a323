"""Model names: ``architecture[.tag]``, ``distribution/architecture[.tag]``, or ``scheme:path``.

Their natural order has ``resnet18`` before ``resnet101``. A listing imports this, so it does
without `re`, `dataclasses` and `typing`.
"""

from __future__ import annotations

from zoo_core.errors import ModelNameError, did_you_mean
from zoo_core.record import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

SCHEMES = ("hf-hub", "local-dir")
"""``hf-hub:org/repo[@revision]``, a Hub repository; ``local-dir:path``, a folder like one."""

_EXPECTED = (
    "expected 'architecture', 'architecture.tag', 'distribution/architecture[.tag]', "
    "'hf-hub:org/repo' or 'local-dir:path'"
)

_WIDEST = 20  # one name of a million digits must not make every key as long
_DIGITS = b"0123456789"
_ONLY_DIGITS = bytes(byte if byte in _DIGITS else 32 for byte in range(256))
_NO_DIGITS = bytes(32 if byte in _DIGITS else byte for byte in range(256))


class ModelName(Record):
    """A parsed name: `scheme` and `path`, or `architecture` and optional `distribution`, `tag`."""

    __slots__ = ("architecture", "distribution", "path", "scheme", "tag")

    def __init__(
        self,
        architecture: str = "",
        tag: str | None = None,
        distribution: str | None = None,
        scheme: str | None = None,
        path: str | None = None,
    ) -> None:
        self.architecture = architecture
        self.tag = tag
        self.distribution = distribution
        self.scheme = scheme
        self.path = path

    def __str__(self) -> str:
        if self.scheme:
            return f"{self.scheme}:{self.path}"
        name = f"{self.architecture}.{self.tag}" if self.tag else self.architecture
        return f"{self.distribution}/{name}" if self.distribution else name


def parse_model_name(name: str | ModelName) -> ModelName:
    """Take a model name apart; one that is parsed is returned as it is. Nothing is looked up.

    Raises:
        ModelNameError: for what is no model name, saying what was expected.
    """
    if isinstance(name, ModelName):
        return name
    if not isinstance(name, str):
        raise ModelNameError(f"model name must be a str, not {type(name).__name__}: {name!r}")
    scheme, colon, path = name.partition(":")
    if colon:
        return _parse_scheme(name, scheme, path)
    distribution, slash, rest = name.rpartition("/")
    architecture, dot, tag = rest.partition(".")
    if (
        not is_architecture(architecture)
        or (dot and not all(is_architecture(part) for part in tag.split(".")))
        or (slash and not _is_distribution(distribution))
    ):
        raise ModelNameError(f"malformed model name {name!r}: {_EXPECTED}")
    return ModelName(architecture, tag or None, normalize_distribution(distribution) if slash else None)


def split_model_name_tag(model_name: str, no_tag: str = "") -> tuple[str, str]:
    """Split ``"resnet50.a1_in1k"`` at the dot; `no_tag` replaces a missing tag."""
    architecture, _, tag = model_name.partition(".")
    return architecture, tag or no_tag


def get_arch_name(model_name: str) -> str:
    """The architecture of a model name, without distribution and tag.

    Raises:
        ModelNameError: for a malformed name, or a scheme, whose config names the architecture.
    """
    parsed = parse_model_name(model_name)
    if parsed.scheme:
        raise ModelNameError(f"{model_name!r} names a repository or folder, not an architecture; its config.json does")
    return parsed.architecture


def normalize_distribution(name: str) -> str:
    """Normalise a distribution's name (PEP 503): ``"zoo-resnet"``. Without `re`, see above."""
    return "-".join(part for part in name.lower().replace("_", "-").replace(".", "-").split("-") if part)


def _parse_scheme(name: str, scheme: str, path: str) -> ModelName:
    scheme = scheme.replace("_", "-")
    if scheme not in SCHEMES:
        raise ModelNameError(
            f"unknown scheme {scheme!r} in model name {name!r}{did_you_mean(scheme, SCHEMES) or f': {_EXPECTED}'}"
        )
    if not path.strip():
        raise ModelNameError(f"model name {name!r} lacks what follows the colon: {_EXPECTED}")
    if scheme == "hf-hub":
        repository = path.partition("@")[0]
        owner, slash, repo = repository.partition("/")
        if not (_is_distribution(owner) and (not slash or _is_distribution(repo))):
            raise ModelNameError(
                f"malformed Hub repository in model name {name!r}: expected 'hf-hub:org/repo[@revision]'"
            )
    return ModelName(scheme=scheme, path=path)


def is_architecture(text: str) -> bool:
    """Return whether it can name an architecture: ASCII letters, digits, ``_`` and ``-``."""
    return text.isascii() and text.replace("_", "").replace("-", "").isalnum()


def is_word(text: object) -> bool:
    """Return whether it can name a distribution, family or tag: as an architecture, with dots."""
    return isinstance(text, str) and (is_architecture(text) or all(map(is_architecture, text.split("."))))


def _is_distribution(text: str) -> bool:
    return is_architecture(text.replace(".", "")) and text[0].isalnum()


def natural_sort(names: Iterable[str]) -> list[str]:
    """Return names, which hold no white space, in an order that reads runs of digits as numbers."""
    names = sorted(names)
    return sorted(names, key=_keys(names).__getitem__)


def natural_merge(runs: Iterable[list[str]]) -> list[str]:
    """`natural_sort` of sorted lists, each the names of one family.

    Names of different families usually begin differently: only lists that overlap are sorted again.
    """
    runs = [run for run in runs if run]
    key = _keys([name for run in runs for name in (run[0], run[-1])])
    merged: list[str] = []
    overlapping: list[list[str]] = []
    high = b""
    for run in sorted(runs, key=lambda run: key[run[0]]):
        if overlapping and key[run[0]] > high:
            merged += _merge(overlapping)
            overlapping = []
        overlapping.append(run)
        high = max(high, key[run[-1]])
    return merged + _merge(overlapping)


def _merge(runs: list[list[str]]) -> list[str]:
    return runs[0] if len(runs) == 1 else natural_sort(name for run in runs for name in run)


def _keys(names: list[str]) -> dict[str, bytes]:
    """Name to a key that sorts naturally: every run of digits padded to one width.

    In one pass over all names: a key function would take half a second for 100,000.
    """
    # A line break before each name: text and numbers alternate then, text first.
    text = "".join(["\n" + name for name in names]).encode()
    numbers = text.translate(_ONLY_DIGITS).split()
    texts = list(filter(None, text.translate(_NO_DIGITS).split(b" ")))
    width = min(max(map(len, numbers), default=0), _WIDEST)
    pieces = [b""] * (len(texts) + len(numbers))
    pieces[::2] = texts
    pieces[1::2] = [number.zfill(width) for number in numbers]
    return dict(zip(names, b"".join(pieces).split(b"\n")[1:], strict=True))
