"""Power loss, exhausted, for our own updater: scenarios, the updater as a subject, campaigns.

``scenario`` says what a world is, ``catalogue`` which ones we offer, ``subject`` how one boots and
what is asked of it, ``campaign`` explores them.
"""
