"""Safe construction of HTML: all that is not Markup is text, and is escaped."""

import html
from collections.abc import Iterable, Sequence


class Markup(str):
    """A piece of HTML that needs no escaping."""

    __slots__ = ()


def text(content: object) -> Markup:
    """Return content for a page: Markup unchanged, all else escaped."""
    return content if isinstance(content, Markup) else Markup(html.escape(str(content)))


def tag(name: str, /, *children: object, **attributes: object) -> Markup:
    """Return an element.

    A trailing _ in an attribute's name is dropped (class_), others become dashes (aria_label).
    """
    words = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{html.escape(str(value))}"'
        for key, value in attributes.items()
    )
    if name in ("img", "meta", "input", "br"):
        return Markup(f"<{name}{words}>")

    return Markup(f"<{name}{words}>{''.join(map(text, children))}</{name}>")


def join(parts: Iterable[object]) -> Markup:
    """Concatenate parts."""
    return Markup("".join(map(text, parts)))


def table(
    head: Sequence[object], rows: Iterable[Sequence[object]], caption: str = "", class_: str = ""
) -> Markup:
    """Return a table whose first column names its rows."""
    heads = tag("tr", *(tag("th", cell, scope="col") for cell in head))
    body = [
        tag("tr", tag("th", first, scope="row"), *(tag("td", cell) for cell in rest))
        for first, *rest in rows
    ]
    words = [tag("caption", caption)] if caption else []

    return tag(
        "div",
        tag("table", *words, tag("thead", heads), tag("tbody", *body), class_=class_),
        class_="wide",
    )


def plot(svg: str, caption: object, label: str) -> Markup:
    """Return a drawn figure with its caption; `label` is what a screen reader says."""
    marked = Markup(svg.replace("<svg ", f'<svg role="img" aria-label="{html.escape(label)}" ', 1))
    return tag("figure", tag("div", marked, class_="plot"), tag("figcaption", caption))


def note(words: object) -> Markup:
    """Return a remark that replaces a figure."""
    return tag("div", words, class_="note")
