"""The chart of `zoo list --plot`: what is in it, and that it can be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import zoo_core as zoo
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from zoo_core.cli.main import main
from zoo_core.errors import ImageError, OptionError
from zoo_images.chart import FRONT, HEIGHT, WIDTH, Point, draw_chart, pareto_front, points_of, save_chart

if TYPE_CHECKING:
    from pathlib import Path

POINTS = st.lists(
    st.builds(
        lambda number, cost, top1: Point(name=f"net{number}", cost=cost, top1=top1),
        st.integers(0, 999),
        st.integers(1, 10**12) | st.sampled_from([1, 10, 100]),
        st.floats(0, 100) | st.sampled_from([50.0, 60.0]),
    ),
    min_size=1,
    max_size=12,
)


@given(POINTS)
def test_nothing_beats_the_front_and_it_beats_everything_else(points: list[Point]) -> None:
    front = pareto_front(points)
    assert front == sorted(front, key=lambda point: (point.cost, point.top1))
    for point in points:
        better = [other for other in front if other.cost <= point.cost and other.top1 >= point.top1]
        assert better
        if point in front:
            assert better == [point] or all((o.cost, o.top1) == (point.cost, point.top1) for o in better)


@given(POINTS)
def test_any_points_can_be_drawn(points: list[Point]) -> None:
    picture = draw_chart(points, "parameters")
    assert picture.size == (WIDTH, HEIGHT)
    assert FRONT in {colour for _, colour in picture.getcolors(WIDTH * HEIGHT)}


def test_the_command_draws_what_it_lists(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "accuracy.png"
    assert main(["list", "resnet18*", "resnet34*", "--plot", str(file)]) == 0
    assert "resnet18.a1_in1k" in capsys.readouterr().out
    with Image.open(file) as picture:
        assert picture.size == (WIDTH, HEIGHT)
        colours = picture.crop((100, 100, 1200, 700)).getcolors(WIDTH * HEIGHT)
    assert len(colours) > 20  # not an empty field
    assert main(["list", "resnet18*", "--plot", str(tmp_path / "b.jpg"), "--over", "macs", "--long"]) == 0


def test_a_larger_image_costs_more() -> None:
    known = zoo.describe(["resnet50.a1_in1k"])
    assert points_of(known, "params") == [Point(name="resnet50.a1_in1k", cost=25_557_032, top1=81.24)]
    (point,) = points_of(known, "macs")
    assert point.cost == pytest.approx(4_089_184_256 * (288 / 224) ** 2)


def test_what_has_no_accuracy_is_left_out(tmp_path: Path) -> None:
    assert points_of(zoo.describe(["test_resnet.digits", "resnet18"]), "params")[0].name.startswith("resnet18")
    with pytest.raises(ImageError, match="none of these models has an accuracy and a count of parameters"):
        save_chart(zoo.describe(["test_resnet.digits"]), "params", str(tmp_path / "x.png"))


@pytest.mark.parametrize("name", ["chart", "chart.svg", "chart.png.txt", ""])
def test_a_file_that_is_no_picture_is_an_error(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(OptionError, match=r"expected a file that ends in \.png, \.jpg"):
        save_chart(zoo.describe(["resnet18"]), "params", str(tmp_path / name))
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_there_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "resnet18*", "--plot", str(tmp_path / "no/where.png")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("zoo: error: ")
    assert "No such file or directory" in line
