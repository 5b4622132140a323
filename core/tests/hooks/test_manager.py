"""Hook plugins: each registered by itself, the bad ones reported and left out, the culprit of an
error named."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pluggy
import pytest
import zoo_core as zoo
from zoo_core.errors import PluginError, WeightsError
from zoo_core.hooks import hookimpl, manager, specs
from zoo_core.hooks.manager import HookPluginWarning, hook_manager, hook_problems

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sites import Site

GOOD = """
from zoo_core.hooks import hookimpl
@hookimpl
def zoo_add_commands():
    return {"good": "zoo_good"}
"""


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch, site: Site) -> Iterator[None]:
    """A manager of the test's own."""
    monkeypatch.setattr(manager, "_manager", None)
    monkeypatch.setattr(manager, "_asked", None)
    monkeypatch.setattr(manager, "_problems", {})
    yield
    monkeypatch.undo()
    zoo.refresh()


def install(site: Site, name: str, source: str) -> None:
    site.package(f"zoo_{name}", {"__init__.py": source})
    site.info(f"zoo-{name}", entry_points=f"[zoo_core.hooks]\n{name} = zoo_{name}\n")


def test_an_installed_plugin_takes_part(site: Site) -> None:
    install(site, "good", GOOD)
    assert {"good": "zoo_good"} in hook_manager().hook.zoo_add_commands()
    assert hook_manager() is hook_manager()
    assert hook_problems() == {}


@pytest.mark.parametrize(
    ("source", "problem"),
    [
        ("1 / 0", "importing zoo_bad failed: ZeroDivisionError: division by zero"),
        ("import surely_missing", "it needs the module 'surely_missing', which is not installed"),
        ("raise SystemExit(1)", "importing zoo_bad called exit(1)"),
        ("x = 1", "it implements no hook: mark its functions with zoo_core.hooks.hookimpl"),
        (
            GOOD + "@hookimpl\ndef zoo_fetch_weight(request): return None\n",
            "it implements 'zoo_fetch_weight', and there is no such hook. Did you mean 'zoo_fetch_weights'?",
        ),
        (
            GOOD + "@hookimpl\ndef zoo_after_create(net): return None\n",
            "PluginValidationError: Plugin 'zoo-bad:bad' for hook 'zoo_after_create' hookimpl definition",
        ),
    ],
)
def test_a_bad_one_is_reported_and_left_out(site: Site, source: str, problem: str) -> None:
    install(site, "bad", source)
    install(site, "good", GOOD)
    with pytest.warns(HookPluginWarning) as caught:
        commands = hook_manager().hook.zoo_add_commands()
    (warning,) = caught
    assert str(warning.message).startswith(
        f"hook plugin zoo-bad 1.0 (entry point 'bad' = 'zoo_bad' in zoo_core.hooks) is left out: {problem}"
    )
    assert commands == [{"good": "zoo_good"}]
    assert hook_problems()["zoo-bad:bad"].startswith(problem)
    assert not hook_manager().has_plugin("zoo-bad:bad")


def test_disabled_plugins_are_not_imported(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    install(site, "bad", "raise AssertionError('imported')")
    monkeypatch.setenv("ZOO_DISABLE_PLUGINS", "zoo-bad")
    assert hook_problems() == {}


def test_refresh_adds_what_was_installed_since_and_keeps_the_rest(site: Site) -> None:
    mine = type("Mine", (), {"zoo_add_commands": staticmethod(hookimpl(lambda: {"mine": "x"}))})()
    hook_manager().register(mine, name="mine")
    install(site, "good", GOOD)
    assert hook_manager().hook.zoo_add_commands() == [{"mine": "x"}]
    zoo.refresh()
    assert hook_manager().hook.zoo_add_commands() == [{"good": "zoo_good"}, {"mine": "x"}]


def test_a_plugin_that_asks_for_hooks_while_it_is_imported(site: Site) -> None:
    install(site, "good", "from zoo_core.hooks.manager import hook_manager\nhook_manager()\n" + GOOD)
    assert hook_manager().hook.zoo_add_commands() == [{"good": "zoo_good"}]


def test_threads_get_one_manager_with_everything(site: Site) -> None:
    install(site, "good", "import time; time.sleep(0.1)" + GOOD)
    seen: list[Any] = []
    threads = [threading.Thread(target=lambda: seen.append(hook_manager().hook.zoo_add_commands())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [[{"good": "zoo_good"}]] * 8


def test_an_error_in_a_hook_names_the_plugin(site: Site) -> None:
    install(
        site,
        "bad",
        "from zoo_core.hooks import hookimpl\n@hookimpl\ndef zoo_after_create(model): return model['x']\n",
    )
    with pytest.raises(PluginError) as caught:
        hook_manager().hook.zoo_after_create(found=None, pretrained=False, model={})
    assert str(caught.value) == "hook plugin zoo-bad:bad failed in zoo_after_create: KeyError: 'x'"
    assert isinstance(caught.value.__cause__, KeyError)


@pytest.mark.parametrize("hook", ["zoo_before_create", "zoo_after_create"])
def test_a_hook_that_exits_does_not_end_the_process(site: Site, hook: str) -> None:
    install(site, "bad", f"from zoo_core.hooks import hookimpl\n@hookimpl\ndef {hook}(found): raise SystemExit(3)\n")
    site.plugin("zoo-one", ["one"])
    with pytest.raises(PluginError, match=rf"^hook plugin zoo-bad:bad failed in {hook}: it called exit\(3\)$"):
        zoo.create_model("one")


def test_an_error_on_purpose_reaches_the_user_as_it_is() -> None:
    class Policy:
        @hookimpl
        def zoo_before_create(self, options: dict[str, Any]) -> None:
            raise WeightsError("not in this lab")

    hook_manager().register(Policy(), name="policy")
    with pytest.raises(WeightsError, match=r"^not in this lab$"):
        hook_manager().hook.zoo_before_create(found=None, pretrained=False, options={})


class TestCreateModel:
    """The hooks around `create_model`."""

    def test_options_may_be_changed_and_the_model_is_seen(self, site: Site) -> None:
        site.plugin("zoo-one", {"one": ["t"]})
        seen: list[Any] = []

        class Lab:
            @hookimpl
            def zoo_before_create(self, found: Any, pretrained: bool, options: dict[str, Any]) -> None:
                seen.append((found.name, pretrained, options["pretrained_cfg"].tag))
                options["num_classes"] = 7

            @hookimpl
            def zoo_after_create(self, model: Any) -> None:
                seen.append(model)

        hook_manager().register(Lab(), name="lab")
        name, pretrained, options = zoo.create_model("one", drop_rate=0.1)
        assert (name, pretrained) == ("one", False)
        assert (options["num_classes"], options["drop_rate"]) == (7, 0.1)
        assert seen == [("one.t", False, "t"), (name, pretrained, options)]

    def test_a_model_can_be_forbidden_before_its_plugin_is_imported(self, site: Site) -> None:
        site.plugin("zoo-one", ["one"], files={"__init__.py": "raise AssertionError('imported')"})

        class Policy:
            @hookimpl
            def zoo_before_create(self, found: Any) -> None:
                raise WeightsError(f"{found.distribution} is not allowed here")

        hook_manager().register(Policy(), name="policy")
        with pytest.raises(WeightsError, match="zoo-one is not allowed here"):
            zoo.create_model("one")


def test_every_hook_is_documented_and_typed() -> None:
    hooks = {name: value for name, value in vars(specs).items() if name.startswith("zoo_")}
    assert len(hooks) == 6
    for name, hook in hooks.items():
        assert hook.__doc__, name
        assert "return" in hook.__annotations__, name
    assert isinstance(hook_manager(), pluggy.PluginManager)
