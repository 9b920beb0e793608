"""The templates of the report and of the index, filled in: everything is escaped unless it was made as markup."""

from __future__ import annotations

from importlib import resources
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from flowkit.show.view import escape, style

__all__ = ["filled", "part"]


def part(name: str) -> str:
    """The text of a file that lies beside the templates."""
    return resources.files("flowkit.report").joinpath("template", name).read_text(encoding="utf-8")


def filled(template: str, **values: Any) -> str:
    """A template's text with its values. It finds the stylesheet of `show` and of the report under `css`."""
    loader = PackageLoader("flowkit.report", "template")
    environment = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)
    css = style() + part("report.css")
    return environment.get_template(template).render(css=css, escape=escape, **values)
