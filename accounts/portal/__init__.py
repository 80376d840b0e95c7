"""The customers' way in: links, and the page's language."""
