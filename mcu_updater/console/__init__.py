"""The Developer Center in the browser: pages, a JSON API and an event stream on a center's files.

One more process beside ``center``, ``fleet`` and served modules; the rules are theirs.
"""
