"""Addresses and names from anywhere: what they reach, and what shares a place in the cache."""

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from unicodedata import category
from urllib.parse import urlsplit

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from urllib3.util import parse_url as parse_as_connected
from zoo_core.config import PretrainedCfg
from zoo_core.errors import ConfigError, WeightsError, ZooError
from zoo_core.weights.cache.address import key_of, parse_url
from zoo_core.weights.cache.entry import Entry, store
from zoo_core.weights.fetch import cached_path, fetch_weights
from zoo_core.weights.hub.hub_config import read_hub_config
from zoo_core.weights.licence import notice_licence


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("https://host.example/a/b.pth", "host.example/a/b.pth"),
        ("HTTPS://Host.Example:443/a/b.pth#part", "host.example/a/b.pth"),
        ("https://host.example:8443/a%20folder/b.pth", "host.example+8443/a folder/b.pth"),
        ("http://host.example/b.pth", "host.example+http/b.pth"),
        ("https://host.example/%62.pth", "host.example/b.pth"),
    ],
)
def test_a_plain_address_is_a_plain_path(url: str, key: str) -> None:
    assert key_of(url) == key


@pytest.mark.parametrize(
    "url",
    [
        "http://evil\\@huggingface.co/org/good/resolve/main/model.safetensors",
        "http://evil:80\\@huggingface.co/x",
        "https://user:secret@host.example/b.pth",
        "https://a@b@host.example/b.pth",
        "https:///etc/passwd",
        "https://",
        "https://?query",
        "https://./x",
        "https://../x",
        "https://host.example./x",
        "https://.host.example/x",
        "https://host..example/x",
        "https://host.example/../../etc/b.pth",
        "https://host.example/a/%2e%2E/b.pth",
        "https://host.example/./b.pth",
        "https://host.example/a\\..\\b",
        "https://host.example/a\nb",
        "https://host.example/a\x00b",
        "https://host.example/a\x9bb",
        "https://host.example/\ud800",
        "https://host.example/%zz",
        "https://host.example:0/x",
        "https://host.example:65536/x",
        "https://hóst.example/x",
        "http\u017f://host.example/x",
        "https://host.example/" + "a" * 2000,
        "ftp://host.example/x",
    ],
)
def test_what_parsers_disagree_about_is_refused_in_one_line(url: str) -> None:
    with pytest.raises(WeightsError, match=r"^the URL .* is refused: ") as caught:
        parse_url(url)
    assert not any(category(character) == "Cc" for character in str(caught.value))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://h/x", "http://h/x"),
        ("https://h/x", "https://h:8443/x"),
        ("https://h:80/x", "http://h/x"),
        ("https://h/a%2Fx", "https://h/a/x"),
        ("https://h/a//x", "https://h/a/x"),
        ("https://h/x/", "https://h/x"),
        ("https://h/x?v=1", "https://h/x?v=2"),
        ("https://h/x?v", "https://h/x%3Fv"),
        ("https://h/a:b", "https://h/a_b"),
        ("https://h/a:b", "https://h/a%3Ab"),
        ("https://h/" + "a" * 300, "https://h/" + "a" * 301),
    ],
)
def test_different_files_have_different_places(one: str, other: str) -> None:
    assert key_of(one) != key_of(other)


@pytest.mark.parametrize("suffix", [".receipt", ".part", ".lock", ".rejected", ".tmp"])
def test_no_address_is_another_s_receipt(suffix: str, tmp_path: Path) -> None:
    ours = Entry(tmp_path, key_of("https://h/net.pth"))
    taken = {ours.path, ours.receipt_path, ours.part_path, ours.lock_path, ours.rejected_path}
    assert Entry(tmp_path, key_of(f"https://h/net.pth{suffix}")).path not in taken


@pytest.mark.parametrize("folder", ["aligned", "package"])
def test_no_host_is_a_folder_of_the_cache_itself(folder: str) -> None:
    assert key_of(f"https://{folder}/x").partition("/")[0] != folder


# Addresses from parts that mean something to some parser, and from anything.
parts = st.sampled_from(
    ["http", "https", "file", "://", ":", "/", "//", "\\", "@", "?", "#", "%2F", "%2f", "%2e", "%2E%2E", "%5C", "%00",
     "%41", "..", ".", "a", "A", "b.pth", "net-20240131.pth", "evil", "huggingface.co", "127.0.0.1", "[::1]",
     "localhost", "etc", "passwd", ":80", ":443", ":8443", ":0", " ", "\t", "\n", "\x00", "\x85", "é", "K", "\u2028",
     "\ud800", "~", "~root", "user:pw", ".receipt", ".part", "con", "C:", "+http", "%-", "x" * 200, "%", "|", "*"]
)  # fmt: skip


endings = st.lists(parts, max_size=6).map("".join)


plain = st.sampled_from(["https://h/", "http://h/", "https://h:443/", "http://h:443/", "https://H/", "https://h/a/"])


urls = st.one_of(
    st.builds("{}{}".format, plain, endings),
    st.builds("{}://{}{}".format, st.sampled_from(["http", "https", "HTTPS", "http\u017f"]), endings, endings),
    st.lists(parts, max_size=8).map("".join),
    st.text(max_size=40).map("https://h/".__add__),
)


def connection(url: str) -> tuple[object, ...]:
    """What requests connects to and asks for, by its own parser and by urllib3's under it."""
    parsed = parse_as_connected(requests.Request("GET", url).prepare().url)
    port = parsed.port or {"http": 80, "https": 443}[parsed.scheme]
    return parsed.scheme, parsed.host, port, parsed.path, parsed.query, parsed.auth


@pytest.mark.heavy
@settings(max_examples=5000, deadline=None, suppress_health_check=list(HealthCheck))
@given(urls)
def test_the_cache_and_the_connection_mean_the_same_address(url: str) -> None:
    """What is accepted, requests sends as it is; and as it would have understood it by itself."""
    try:
        address = parse_url(url)
    except WeightsError:
        return
    assert requests.Request("GET", address.url).prepare().url == address.url
    assert connection(url) == connection(address.url)
    assert connection(url)[:3] == (address.scheme, address.host, address.port)
    assert urlsplit(address.url).hostname == address.host.strip("[]")
    assert urlsplit(address.url).username is None
    assert Entry(Path("/cache"), address.key).path.is_relative_to("/cache/weights")


@pytest.mark.heavy
@settings(max_examples=5000, deadline=None, suppress_health_check=list(HealthCheck))
@given(urls, urls)
def test_two_addresses_share_a_place_exactly_if_the_connection_is_the_same(one: str, other: str) -> None:
    try:
        first, second = parse_url(one), parse_url(other)
    except WeightsError:
        return
    assert (first.key == second.key) == (connection(one) == connection(other))


class Watched:
    """Every path that is opened, made, moved or removed while it is on. An audit hook cannot be
    taken back."""

    events = frozenset({"open", "os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.chmod",
                        "os.listdir", "os.scandir", "os.truncate"})  # fmt: skip

    def __init__(self) -> None:
        self.on = False
        self.paths: set[str] = set()
        sys.addaudithook(self.note)

    def note(self, event: str, arguments: tuple[object, ...]) -> None:
        if self.on and event in self.events:
            self.paths |= {os.path.realpath(a) for a in map(_as_text, arguments[:2]) if a}

    @contextmanager
    def watching(self) -> Iterator[set[str]]:
        self.paths = set()
        self.on = True
        try:
            yield self.paths
        finally:
            self.on = False


def _as_text(argument: object) -> str:
    try:
        return (
            os.fsdecode(argument)
            if isinstance(argument, str | bytes | os.PathLike) and "\0" not in str(argument)
            else ""
        )
    except ValueError:
        return ""


watched = Watched()


names = st.one_of(st.lists(parts, max_size=6).map("".join), st.text(max_size=20))


climbing = st.builds("{}{}".format, st.sampled_from(["../", "../../", "/", "a/../../", "", "~/", "\\..\\"]), names)


configs = st.one_of(
    urls.map(lambda url: {"url": url}),
    st.builds(
        lambda repo, at, revision, filename: {"hf_hub_id": repo + at + revision, "hf_hub_filename": filename or None},
        st.one_of(st.just("org/repo"), names),
        st.sampled_from(["", "@"]),
        st.one_of(names, climbing),
        st.one_of(st.none(), names, climbing),
    ),
    st.builds("package:{}{}".format, st.sampled_from(["zoo_core/", "json/", ""]), climbing).map(lambda u: {"url": u}),
)


@pytest.mark.heavy
@settings(max_examples=5000, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    values=configs,
    license_=st.one_of(st.none(), climbing.map("nc-".__add__), climbing.map("{}-nc".format)),
    tag=st.one_of(st.none(), climbing),
    folder=st.sampled_from(["cache", "a b", "ü", "a/../other", "-x", ".hidden", "~x", "*", "x" * 100, "\u2028"]),
)
def test_nothing_is_read_or_written_outside(
    values: dict[str, str], license_: str | None, tag: str | None, folder: str
) -> None:
    """With every field of a config that names a place, offline: look, fetch, keep, and note the
    licence."""
    base = Path(os.environ["ZOO_CACHE"]).parent
    cache = Path(os.path.normpath(base / folder))
    _plant(base)
    try:
        cfg = PretrainedCfg(**values, license=license_, tag=tag)
    except ConfigError:
        return
    os.environ["ZOO_OFFLINE"] = "1"
    logging.getLogger("zoo_core").setLevel(logging.CRITICAL)  # its lines hold what no terminal takes
    try:
        with watched.watching() as touched:
            with suppress(ZooError):
                cached_path(cfg, cache_dir=cache)
            with suppress(ZooError):
                fetch_weights(cfg, cache_dir=cache)
            with suppress(ZooError):
                store(b"x", cache, key_of(values.get("url", "")), url="x")
            with suppress(ZooError):
                read_hub_config(f"hf-hub:{values.get('hf_hub_id', '')}", cache_dir=cache)
            notice_licence(cfg, cache)
    finally:
        del os.environ["ZOO_OFFLINE"]
        logging.getLogger("zoo_core").setLevel(logging.NOTSET)
    # Packages are looked for on the path of imports.
    imports = {os.path.realpath(entry) for entry in sys.path}
    allowed = (str(cache), sys.prefix, sys.base_prefix, *imports)
    outside = {path for path in touched if not path.startswith(tuple(f"{each}{os.sep}" for each in allowed))}
    assert outside <= {str(base), *map(str, base.parents), str(cache), *imports}, outside


def _plant(base: Path) -> None:
    """Files where a climbing name would lead."""
    for name in ("model.safetensors", "config.json", "passwd", "etc/passwd", "weights/model.safetensors"):
        (base / name).parent.mkdir(exist_ok=True, parents=True)
        (base / name).touch()
