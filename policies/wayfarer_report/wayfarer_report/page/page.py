"""One self-contained page: head, table of contents, sections. No script, nothing from outside."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wayfarer_core.atomic import make_folder, write_atomically

from wayfarer_report.page.markup import Markup, join, tag, text

_STYLE = """
:root { color-scheme: light dark; --paper: #fbfbf9; --card: #ffffff; --ink: #1d2328; --soft: #5d6870; --line: #dfe3e6;
  --mark: #2563eb; --note: #f4efe2; }
@media (prefers-color-scheme: dark) { :root { --paper: #14181c; --card: #1b2126; --ink: #e6eaed; --soft: #9aa7b0;
  --line: #2d353c; --mark: #7db0ff; --note: #2a261b; } }
* { box-sizing: border-box; }
html { scroll-behavior: smooth; scroll-padding-top: 1rem; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.55 system-ui, "Segoe UI", Roboto,
  "Helvetica Neue", "Liberation Sans", "DejaVu Sans", sans-serif; }
.page { max-width: 1240px; margin: 0 auto; padding: 2.2rem 1.4rem 4rem; }
header h1 { font-size: 2rem; line-height: 1.2; margin: 0 0 .3rem; letter-spacing: -.01em; }
header p { color: var(--soft); margin: 0; }
.columns { display: grid; gap: 2.2rem; margin-top: 1.8rem; grid-template-columns: minmax(0, 1fr); }
@media (min-width: 1060px) { .columns { grid-template-columns: 200px minmax(0, 1fr); }
  nav { position: sticky; top: 1.2rem; align-self: start; } }
nav ol { list-style: none; padding: 0; margin: 0; border-left: 2px solid var(--line); }
nav a { display: block; padding: .18rem .8rem; color: var(--soft); text-decoration: none; font-size: .9rem; }
nav a:hover, nav a:focus { color: var(--mark); }
section { margin-bottom: 2.6rem; }
h2 { font-size: 1.25rem; margin: 0 0 .7rem; padding-bottom: .3rem; border-bottom: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.4rem 0 .5rem; }
figure { margin: 0 0 1.1rem; background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: .9rem 1rem .8rem; }
figcaption { color: var(--soft); font-size: .87rem; margin-top: .5rem; max-width: 78ch; }
.plot { overflow-x: auto; }
.plot svg { width: 100%; min-width: 560px; height: auto; display: block; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-size: .9rem; margin: .2rem 0 1rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; color: var(--soft); padding-bottom: .4rem; caption-side: top; }
th, td { text-align: left; padding: .32rem 1.3rem .32rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
thead th { white-space: nowrap; }
tbody th { font-weight: 400; color: var(--soft); }
.note { background: var(--note); border-radius: 8px; padding: .6rem .9rem; margin-bottom: 1rem; }
.chip { display: inline-flex; align-items: center; gap: .4rem; margin-right: 1rem; white-space: nowrap; }
.chip b { display: inline-block; min-width: 1.45em; padding: 0 .3em; text-align: center; color: #fff;
  border-radius: 5px; font-size: .82rem; line-height: 1.5; }
.cards { display: grid; gap: .9rem; grid-template-columns: repeat(auto-fill, minmax(230px, 1fr)); margin: 0 0 1.3rem; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: 10px; padding: .8rem 1rem;
  overflow-wrap: anywhere; }
.card dl { display: grid; grid-template-columns: 1fr auto; margin: .5rem 0 0; gap: .1rem .8rem; font-size: .88rem; }
.card dt { color: var(--soft); } .card dd { margin: 0; text-align: right; font-variant-numeric: tabular-nums; }
.strip { display: grid; grid-template-columns: 4.4rem minmax(0, 1fr); align-items: center; gap: .6rem; margin: 2px 0; }
.strip span { color: var(--soft); font-size: .8rem; text-align: right; font-variant-numeric: tabular-nums; }
img { max-width: 100%; height: auto; border-radius: 3px; display: block; }
.goals { display: grid; gap: .7rem; grid-template-columns: repeat(auto-fill, minmax(86px, 1fr)); }
.goals div { font-size: .74rem; color: var(--soft); line-height: 1.3; }
.goals img { width: 100%; margin-bottom: .2rem; }
details { margin: .4rem 0; } summary { cursor: pointer; } code { font-size: .86em; overflow-wrap: anywhere; }
footer { color: var(--soft); font-size: .85rem; border-top: 1px solid var(--line); padding-top: .8rem; }
@media print { nav { display: none; } section { break-inside: avoid; } }
"""


@dataclass(frozen=True)
class Section:
    """A section of the page; `anchor` in letters and dashes."""

    anchor: str
    title: str
    body: Markup


def page(title: str, subtitle: str, sections: Sequence[Section], footer: str) -> str:
    """Return the whole document."""
    contents = tag("ol", *(tag("li", tag("a", s.title, href=f"#{s.anchor}")) for s in sections))
    parts = [tag("section", tag("h2", s.title), s.body, id=s.anchor) for s in sections]
    body = tag(
        "div",
        tag("header", tag("h1", title), tag("p", subtitle)),
        tag(
            "div",
            tag("nav", contents, aria_label="Contents"),
            tag("main", *parts),
            class_="columns",
        ),
        tag("footer", footer),
        class_="page",
    )
    head = join(
        [
            tag("meta", charset="utf-8"),
            tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
            tag("meta", http_equiv="Content-Security-Policy", content=_POLICY),
            tag("title", title),
            Markup(f"<style>{_STYLE}</style>"),
        ]
    )

    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>{text(body)}</body></html>\n'


# second protection: no script runs, and nothing is loaded
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def write_page(path: Path, content: str) -> None:
    """Write the page so that a reader finds the whole old or the whole new one.

    DataError if it cannot be written.
    """
    make_folder(path.parent)
    write_atomically(path, content)
