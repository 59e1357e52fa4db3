"""All about one address, and what is done about it at once."""

from typing import Annotated
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Request
from fastapi.responses import Response

from sender_filter_console.dependencies import Fleet, User
from sender_filter_console.interface import Order
from sender_filter_console.pages import forms
from sender_filter_console.pages.page_route import PageRoute
from sender_filter_console.pages.rendering import back_to, local, render

router = APIRouter(route_class=PageRoute)

Text = Annotated[str, Form()]


@router.get("/address")
async def address(request: Request, fleet: Fleet, address: str = "", why: int = 0) -> Response:
    """What would be decided now, its history, and the forms to change it.

    ``why`` names a decision that somebody wants to do something about.
    """
    text = address.strip()
    if not text:
        return render(request, "address_search.html")
    return render(
        request,
        "address.html",
        report=await fleet.address(text),
        about=(await fleet.decision(why)).row if why else None,
    )


@router.post("/address/{verb}")
async def order(
    request: Request,
    fleet: Fleet,
    user: User,
    verb: str,
    network: Text = "",
    duration: Text = "",
    until: Text = "",
    comment: Text = "",
    back: Text = "",
) -> Response:
    """Block, approve, or take back what was said."""
    network = network.strip()
    if verb == "release":
        done = await fleet.release(network, user.name)
    else:
        wanted = Order(network, forms.seconds(duration, until), comment.strip(), user.name)
        done = await (fleet.block if verb == "block" else fleet.approve)(wanted)
    return back_to(request, local(back, f"/address?{urlencode({'address': network})}"), done)
