"""The JSON API, ``/api/v1``: everything that the pages show and do.

* ``routes``: reading, ``orders``: changing.
* ``parameters``: what may be asked for. ``problems``: what is answered when it cannot be.
* ``description``: the API's own description.
"""

from fastapi import APIRouter

from sender_filter_console.api import description, orders, routes

router = APIRouter(prefix="/api/v1")
router.include_router(routes.router)
router.include_router(orders.router)
router.include_router(description.router)
