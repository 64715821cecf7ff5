"""Follow the links of the built site: `python docs/check_links.py docs/_build/html`.

Each link within the site has to lead to a file, and each anchor to an element of that page. Links to other
sites are listed and not followed, because a build reads offline.
"""

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlparse

# Sphinx knows one module name for each source file, so that some of its ways back from the source lead to the
# right page and not to the place on it.
WITHOUT_ANCHORS = "_modules"


class Page(HTMLParser):
    """Links and anchors of a page."""

    def __init__(self, text):
        super().__init__()
        self.anchors, self.links = set(), set()
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        self.anchors |= {attrs.get("id"), attrs.get("name")}
        self.links |= {attrs[key] for key in ("href", "src") if attrs.get(key)}


def broken(root, pages):
    """Yield each page with a link of it that leads nowhere."""
    for path, page in pages.items():
        for link in page.links:
            url = urlparse(link)
            if url.scheme or url.netloc:
                continue
            target = (path.parent / unquote(url.path)).resolve() if url.path else path
            target = target / "index.html" if target.is_dir() else target
            lost = not target.exists()
            if url.fragment and target in pages and WITHOUT_ANCHORS not in path.parts:
                lost = lost or unquote(url.fragment) not in pages[target].anchors
            if lost:
                yield f"{path.relative_to(root)}: {link}"


def main(root):
    files = [path for path in root.rglob("*.html") if "_static" not in path.parts]
    pages = {path.resolve(): Page(path.read_text("utf-8")) for path in files}
    links = {link for page in pages.values() for link in page.links}
    lost = sorted(broken(root, pages))
    print(f"{len(pages)} pages, {len(lost)} broken links", *lost, sep="\n")
    print("other sites:", *sorted(link for link in links if urlparse(link).netloc), sep="\n")
    return bool(lost) or not pages


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]).resolve()))
