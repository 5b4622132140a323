"""The scan against `importlib_metadata`: they agree, or the difference is a hazard that the scan
survives."""

from __future__ import annotations

import os
import sys
import zipfile
from typing import TYPE_CHECKING

import importlib_metadata
import pytest
from zoo_core.discovery.entry_points import GROUPS, scan

if TYPE_CHECKING:
    from pathlib import Path

    from sites import Site

LINES = "[zoo_core.models]\nx = zoo_x:models.json\n"


def ours(*path: Path | str) -> list[tuple[str, str, str, str]]:
    return [(e.distribution, e.group, e.name, e.value) for e in scan([str(entry) for entry in path]).entry_points]


def oracle(*path: Path | str) -> list[tuple[str, str, str, str]]:
    seen: set[str] = set()
    found = []
    for distribution in importlib_metadata.distributions(path=[str(entry) for entry in path]):
        name = distribution._normalized_name.replace("_", "-")
        points = [] if name in seen else [e for e in distribution.entry_points if e.group in GROUPS]
        found += [(name, e.group, e.name, e.value) for e in points]
        seen.add(name)
    return sorted(found, key=lambda row: (row[1], row[0], row[2]))


X = [("zoo-x", "zoo_core.models", "x", "zoo_x:models.json")]


def test_installed_distributions(site: Site) -> None:
    site.info("numpy-like", entry_points="[console_scripts]\nf2py = numpy.f2py:main\n")
    site.info("no-entry-points")
    site.info("Zoo.Dotted", entry_points="[zoo_core.models]\nb = p:models.json\na=q:net\n\n# c = no:no\n")
    site.info("zoo-hooks", entry_points="[other]\nz = z:z\n[zoo_core.hooks]\nlab = zoo_hooks.lab\n [x] \ny = y\n")
    assert ours(site.root) == oracle(site.root)
    assert [row[0] for row in ours(site.root)] == ["zoo-hooks", "zoo-dotted", "zoo-dotted"]


def test_extras_and_spaces(site: Site) -> None:
    site.info("zoo-x", entry_points="[ zoo_core.models ]\n  x =  zoo_x.sub : net [extra] \n")
    (entry,) = scan([str(site.root)]).entry_points
    assert (entry.module, entry.attribute) == ("zoo_x.sub", "net")


def test_an_egg_info_of_a_source_tree(site: Site) -> None:
    folder = site.root / "zoo_x.egg-info"
    folder.mkdir()
    (folder / "PKG-INFO").write_text("Metadata-Version: 2.1\nName: zoo-x\nVersion: 3.1\n")
    (folder / "entry_points.txt").write_text(LINES)
    (site.root / "single_file.egg-info").write_text("Metadata-Version: 1.0\nName: single\n")
    assert ours(site.root) == oracle(site.root) == X
    assert scan([str(site.root)]).entry_points[0].version == "3.1"


def test_the_first_of_two_path_entries_wins_even_if_it_offers_nothing(site: Site, tmp_path: Path) -> None:
    later = type(site)(tmp_path / "later")
    site.info("zoo-x", "0.1")
    site.info("zoo-y", "0.1", "[zoo_core.models]\ny = zoo_y:old.json\n")
    later.info("zoo-x", "0.2", LINES)
    later.info("zoo-y", "0.2", "[zoo_core.models]\ny = zoo_y:new.json\n")
    assert ours(site.root, later.root) == oracle(site.root, later.root)
    assert ours(site.root, later.root) == [("zoo-y", "zoo_core.models", "y", "zoo_y:old.json")]


def test_a_symlinked_lib64_and_a_path_entry_that_is_there_twice(site: Site, tmp_path: Path) -> None:
    site.info("zoo-x", entry_points=LINES)
    (tmp_path / "lib64").symlink_to(site.root)
    path = [site.root, tmp_path / "lib64", site.root]
    assert ours(*path) == oracle(*path) == X


def test_what_is_not_on_disk_is_passed_over(site: Site, tmp_path: Path) -> None:
    site.info("zoo-x", entry_points=LINES)
    (tmp_path / "file.txt").write_text("not a zip")
    path = [tmp_path / "gone", site.root, tmp_path / "file.txt"]
    assert ours(*path) == X
    assert scan([None, 3, "a\0b", str(site.root)]).entry_points == scan([str(site.root)]).entry_points


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_directory_is_passed_over(site: Site, tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0)
    site.info("zoo-x", entry_points=LINES)
    assert ours(closed, site.root) == X


def test_zips_go_through_importlib_metadata(tmp_path: Path) -> None:
    wheel = tmp_path / "zoo_x-2.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("zoo_x-2.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: zoo-x\nVersion: 2.0\n")
        archive.writestr("zoo_x-2.0.dist-info/entry_points.txt", LINES)
    assert ours(wheel) == oracle(wheel) == X
    assert scan([str(wheel)]).entry_points[0].version == "2.0"
    # importlib_metadata keeps the archive open in a cycle of references. The garbage collector may
    # come upon the file before the archive, which would be an unclosed file in some other test.
    importlib_metadata.FastPath(str(wheel)).joinpath.__self__.root.close()


def test_custom_finders_are_asked(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    hidden = type(site)(site.root.parent / "hidden")
    hidden.info("zoo-x", "5.0", LINES)

    class Finder:
        @staticmethod
        def find_spec(name: str, path: object = None, target: object = None) -> None:
            return None

        @staticmethod
        def find_distributions(context: object) -> object:
            context = importlib_metadata.DistributionFinder.Context(path=[str(hidden.root)])
            return importlib_metadata.MetadataPathFinder.find_distributions(context)

    class Broken(Finder):
        @staticmethod
        def find_distributions(context: object) -> object:
            raise RuntimeError("of somebody else")

    monkeypatch.setattr(sys, "meta_path", [Broken, *sys.meta_path, Finder])
    assert [entry.version for entry in scan().entry_points] == ["5.0"]
    site.info("zoo-x", "4.0", LINES)
    assert [entry.version for entry in scan().entry_points] == ["4.0"]


class TestHazards:
    """Where `importlib_metadata` fails or picks at random."""

    def test_a_latin_1_byte_in_somebody_elses_metadata(self, site: Site) -> None:
        site.info("zoo-x", entry_points=LINES)
        site.info("caf-e", entry_points=b"[console_scripts]\ncaf\xe9 = cafe:main\n")
        with pytest.raises(UnicodeDecodeError):
            oracle(site.root)
        assert ours(site.root) == X

    def test_a_latin_1_byte_in_a_plugins_own(self, site: Site) -> None:
        site.info("zoo-x", entry_points=b"# caf\xe9\n" + LINES.encode())
        assert ours(site.root) == X
        assert scan([str(site.root)]).damaged[0][1] == "a byte that is not UTF-8"

    def test_a_byte_order_mark(self, site: Site) -> None:
        site.info("zoo-x", entry_points=b"\xef\xbb\xbf" + LINES.encode())
        assert ours(site.root) == X

    def test_windows_line_ends(self, site: Site) -> None:
        site.info("zoo-x", entry_points=LINES.replace("\n", "\r\n"))
        assert ours(site.root) == oracle(site.root) == X

    def test_a_line_without_an_equals_sign(self, site: Site) -> None:
        site.info("zoo-x", entry_points="[zoo_core.models]\nnonsense\nx = zoo_x:models.json\n= y\n")
        site.info("other", entry_points="[console_scripts]\nnonsense\n")
        assert ours(site.root) == X
        assert [what for _, what in scan([str(site.root)]).damaged] == [
            "a line 'nonsense' in [zoo_core.models] that is not 'name = value'",
            "a line 'y' in [zoo_core.models] that is not 'name = value'",
        ]

    def test_two_versions_in_one_directory(self, site: Site) -> None:
        for version in ("1.9", "1.10", "1.2"):
            site.info("zoo-x", version, f"[zoo_core.models]\nx = zoo_x:v{version}.json\n")
        assert ours(site.root) == [("zoo-x", "zoo_core.models", "x", "zoo_x:v1.10.json")]
        assert len(oracle(site.root)) == 1  # whichever the file system names first
        assert len(scan([str(site.root)]).unused) == 2

    def test_a_final_version_is_newer_than_its_development(self, site: Site) -> None:
        for version in ("1.0", "1.0.dev1", "1.0rc1", "no.version"):
            site.info("zoo-x", version, f"[zoo_core.models]\nx = zoo_x:v{version}.json\n")
        assert ours(site.root) == [("zoo-x", "zoo_core.models", "x", "zoo_x:v1.0.json")]

    def test_an_empty_leftover_beside_the_real_one(self, site: Site) -> None:
        for version in ("0.9", "9.9"):
            site.info("zoo-x", version, metadata=None)
        site.info("zoo-x", "1.0", LINES)
        assert ours(site.root) == X

    def test_an_empty_leftover_earlier_on_the_path(self, site: Site, tmp_path: Path) -> None:
        later = type(site)(tmp_path / "later")
        site.info("zoo-x", "1.0", metadata=None)
        later.info("zoo-x", "1.0", LINES)
        assert ours(site.root, later.root) == X
        assert oracle(site.root, later.root) == []

    def test_what_an_interrupted_pip_leaves_behind(self, site: Site) -> None:
        site.info("zoo-x", entry_points=LINES)
        site.info("~oo-x", entry_points=LINES)
        assert ours(site.root) == X
        assert len(oracle(site.root)) == 2

    def test_no_metadata_but_entry_points(self, site: Site) -> None:
        site.info("zoo-x", entry_points=LINES, metadata=None)
        assert ours(site.root) == X
