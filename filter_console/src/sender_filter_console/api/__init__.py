"""The JSON API, ``/api/v1``: everything that the pages show and do."""

from fastapi import APIRouter

router = APIRouter(prefix="/api/v1")
