from html.parser import HTMLParser

import pandas as pd

from mdlray.report.page import page
from mdlray.report.study import Section
from mdlray.report.table import MOST_ROWS, table

VOID = {"meta", "img", "br", "link"}


class Balanced(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.seen, self.links, self.ids = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href")]
        self.ids += [value for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def read(html):
    parser = Balanced()
    parser.feed(html)
    assert parser.open == []
    return parser


def draw(*sections, pictures=None, question=""):
    return page(title="t", question=question, summary="s", pictures=pictures or {}, sections=sections)


def column_x(frame, is_number=False):
    return table(frame, [("<x>", lambda row: str(row["x"]), is_number)])


def test_the_page_is_balanced_self_contained_and_escaped():
    content = column_x(pd.DataFrame({"x": ["<b>"]}))
    html = page(
        title="<script>alert(1)</script>",
        question="a < b & c?",
        summary="<i>",
        pictures={'"quoted" <caption>': b"\x89PNG"},
        sections=[
            Section("<h>", "<n>", content),
            Section("<h>", "<n>", content, folded=True, fine_print="<u>"),
        ],
    )
    seen = read(html)
    assert not {"script", "b", "i", "u", "h", "n", "x", "caption"} & set(seen.seen)
    assert html.startswith("<!doctype html>") and "a &lt; b &amp; c?" in html and "&lt;u&gt;" in html
    outside = [link for link in seen.links if not link.startswith("#")]
    assert len(outside) == 1 and outside[0].startswith("data:image/png;base64,")


def test_the_contents_lead_to_every_figure_and_section_once():
    sections = [Section(heading, "", column_x(pd.DataFrame({"x": [1]}))) for heading in ("A", "B", "A")]
    html = draw(*sections, pictures={"F": b"1", "G": b"2"})
    seen = read(html)
    targets = [link.removeprefix("#") for link in seen.links if link.startswith("#")]
    assert targets == seen.ids == ["figure-1", "figure-2", "section-1", "section-2", "section-3"]
    assert html.index("<nav") < html.index("<img")


def test_a_folded_section_hides_its_table_and_not_its_verdict():
    content = column_x(pd.DataFrame({"x": ["value"]}))
    html = draw(Section("H", "the verdict", content, folded=True, fine_print="the test"))
    inside = html[html.index("<details>") : html.index("</details>")]
    assert "value" in inside and "the test" in inside and "<summary>1 row</summary>" in inside
    assert "the verdict" in html and "the verdict" not in inside
    assert "<details>" not in draw(Section("H", "n", content))


def test_words_inside_cells_are_not_broken():
    html = draw(Section("H", "n", column_x(pd.DataFrame({"x": ["mnist_background_random"]}))))
    assert "overflow-wrap: anywhere" not in html and "break-all" not in html and "break-word" not in html
    assert '<div class="wide"><table>' in html and ".wide { overflow-x: auto; }" in html


def test_a_long_table_says_what_it_leaves_out():
    frame = pd.DataFrame({"x": range(MOST_ROWS + 5)})
    html = draw(Section("H", "n", column_x(frame, is_number=True)))
    assert html.count("<tr>") == MOST_ROWS + 1 and "5 more in the files" in html
    assert html.count('<td class="number">') == MOST_ROWS
    read(html)


def test_an_empty_table_says_so():
    assert "<p>None.</p>" in draw(Section("H", "n", column_x(pd.DataFrame({"x": []}))))
