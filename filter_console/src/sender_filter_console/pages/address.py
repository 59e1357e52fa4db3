"""All about one address, and what is done about it at once."""

from typing import Annotated, Literal
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
Verb = Literal["block", "approve", "release", "know", "forget"]


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
    verb: Verb,
    network: Text = "",
    duration: Text = "",
    until: Text = "",
    comment: Text = "",
    back: Text = "",
) -> Response:
    """Block, approve, make a known host, or take back what was said."""
    network = network.strip()
    match verb:
        case "release":
            done = await fleet.release(network, user.name)
        case "forget":
            done = await fleet.forget(network, user.name)
        case _:
            adding = {"block": fleet.block, "approve": fleet.approve, "know": fleet.know}
            end = forms.seconds(duration, until)
            done = await adding[verb](Order(network, end, comment.strip(), user.name))
    return back_to(request, local(back, f"/address?{urlencode({'address': network})}"), done)
