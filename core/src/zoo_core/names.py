"""Model names: ``architecture[.tag]``, ``distribution/architecture[.tag]``, or ``scheme:path``.

A listing imports this, so it does without `re`, `dataclasses` and `typing`.
"""

from __future__ import annotations

from zoo_core.errors import ModelNameError, did_you_mean
from zoo_core.record import Record

SCHEMES = ("hf-hub", "local-dir")
"""``hf-hub:org/repo[@revision]``, a Hub repository; ``local-dir:path``, a folder like one."""

_EXPECTED = (
    "expected 'architecture', 'architecture.tag', 'distribution/architecture[.tag]', "
    "'hf-hub:org/repo' or 'local-dir:path'"
)


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
