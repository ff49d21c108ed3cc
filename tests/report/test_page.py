from html.parser import HTMLParser

import pandas as pd

from mdlray.report.page import MOST_ROWS, page, table
from mdlray.report.study import Section

VOID = {"meta", "img", "br", "link"}


class Balanced(HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.seen, self.links = [], [], []

    def handle_starttag(self, tag, attrs):
        self.seen.append(tag)
        self.links += [value for name, value in attrs if name in ("src", "href")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def read(html):
    parser = Balanced()
    parser.feed(html)
    assert parser.open == []
    return parser


def test_the_page_is_balanced_self_contained_and_escaped():
    html = page(
        title="<script>alert(1)</script>",
        question="a < b & c?",
        summary="<i>",
        pictures={'"quoted" <caption>': b"\x89PNG"},
        sections=[Section("<h>", "<n>", table(pd.DataFrame({"x": ["<b>"]}), [("<x>", lambda row: row["x"], False)]))],
    )
    seen = read(html)
    assert "script" not in seen.seen and "b" not in seen.seen and "i" not in seen.seen
    assert "a &lt; b &amp; c?" in html
    assert len(seen.links) == 1 and seen.links[0].startswith("data:image/png;base64,")


def test_a_long_table_says_what_it_leaves_out():
    frame = pd.DataFrame({"x": range(MOST_ROWS + 5)})
    html = table(frame, [("x", lambda row: str(row["x"]), True)])
    assert html.count("<tr>") == MOST_ROWS + 1 and "5 more in the files" in html
    read(html)


def test_an_empty_table_says_so():
    assert table(pd.DataFrame({"x": []}), []) == "<p>None.</p>"
