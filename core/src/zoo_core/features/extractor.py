"""What every wrapper of feature maps is to a caller: its table of maps, and how it is shown."""

# No annotations from the future: TorchScript reads those of the wrappers that derive from this.
from typing import TYPE_CHECKING, Any

from zoo_core.features.info import FeatureInfo
from zoo_core.features.keys import Keyed


class FeatureExtractor(Keyed):
    """A network that yields feature maps. Base of the wrappers.

    A bridge may return its library's own wrapper, which has a ``feature_info`` too.

    Attributes:
        feature_info: the table of the network's maps, and which of them it yields, in which order.
    """

    if TYPE_CHECKING:  # TorchScript would read the annotations, and cannot
        feature_info: FeatureInfo
        default_cfg: Any
        pretrained_cfg: Any

    def __repr__(self) -> str:
        """The maps in a line; ``print(list(net.children()))`` shows the modules."""
        rows = self.feature_info.get_dicts()
        maps = ", ".join(f"{row['index']}: {_shown(row)}" for row in rows)
        return f"{type(self).__name__}({self._name()}, maps={{{maps}}})"

    def _repr_html_(self) -> str:
        from html import escape

        columns = ("index", "module", "num_chs", "reduction", "layout")
        rows = self.feature_info.get_dicts(columns)
        cells = ("".join(f"<td>{escape(str(value))}</td>" for value in row.values()) for row in rows)
        body = "".join(f"<tr>{each}</tr>" for each in cells)
        head = "".join(f"<th>{name}</th>" for name in ("map", "module", "channels", "reduction", "layout"))
        caption = escape(f"{type(self).__name__} of {self._name()}")
        return f"<table><caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

    def _name(self) -> str:
        """The architecture, as far as the default config says it; else the network's class."""
        architecture = getattr(getattr(self, "default_cfg", None), "architecture", None)
        adopted = getattr(self, "adopted", None)
        return str(architecture or (adopted[1].__name__ if adopted else "a module"))


def _shown(row: dict[str, Any]) -> str:
    """A map in words; a module that was named by hand has no known channels."""
    size = "" if row["num_chs"] is None else f" {row['num_chs']}/{row['reduction']}"
    return f"{row['module']}{size}" + ("" if row["layout"] == "NCHW" else f" {row['layout']}")
