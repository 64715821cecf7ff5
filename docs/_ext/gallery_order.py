"""The order of the gallery: the quickstart, then by name."""

from sphinx_gallery.sorting import FileNameSortKey


class QuickstartFirst(FileNameSortKey):
    def __call__(self, filename):
        return filename != "quickstart.py", filename
