"""The pages: HTML for people.

Each module has the routes of one page; ``rendering`` makes HTML of the templates, and ``words``
says what names mean.
"""

from fastapi import APIRouter

from sender_filter_console.pages import (
    address,
    connections,
    help_page,
    lists,
    login,
    overview,
    preferences,
    topology,
)

PAGES = (overview, connections, address, lists, topology, help_page, login, preferences)

router = APIRouter(include_in_schema=False)
for page in PAGES:
    router.include_router(page.router)
