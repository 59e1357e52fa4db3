"""What routes of pages and API are given, as FastAPI's dependencies."""

from typing import Annotated, cast

from fastapi import Depends, Request

from sender_filter_console import auth, interface
from sender_filter_console.settings.schema import Config


def _fleet(request: Request) -> interface.Fleet:
    return cast("interface.Fleet", request.app.state.fleet)


def _config(request: Request) -> Config:
    return cast("Config", request.app.state.config)


Fleet = Annotated[interface.Fleet, Depends(_fleet)]
Settings = Annotated[Config, Depends(_config)]
User = Annotated[auth.User, Depends(auth.current_user)]
