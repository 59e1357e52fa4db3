"""What the API changes. An operator's role is the gate's matter, as for every change."""

from fastapi import APIRouter

from sender_filter_console import interface
from sender_filter_console.api import parameters, problems
from sender_filter_console.api.parameters import Done
from sender_filter_console.dependencies import Fleet, User
from sender_filter_console.interface import Order

router = APIRouter(route_class=problems.ApiRoute, responses=problems.CHANGES)


@router.post("/block", tags=["orders"])
async def block(fleet: Fleet, user: User, wanted: parameters.Wanted) -> Done:
    """Refuse clients from now on, beside the declared lists."""
    return Done(await fleet.block(_order(wanted, user.name)))


@router.post("/approve", tags=["orders"])
async def approve(fleet: Fleet, user: User, wanted: parameters.Wanted) -> Done:
    """Never refuse clients from now on; a block at run time ends."""
    return Done(await fleet.approve(_order(wanted, user.name)))


@router.post("/release", tags=["orders"])
async def release(fleet: Fleet, user: User, wanted: parameters.Released) -> Done:
    """Take back what was said at run time, by an operator or by a function."""
    return Done(await fleet.release(wanted.network, user.name))


@router.post("/know", tags=["orders"])
async def know(fleet: Fleet, user: User, wanted: parameters.Known) -> Done:
    """Take hosts for known ones from now on: their headers decide who is judged in their place."""
    return Done(await fleet.know(_order(wanted, user.name)))


@router.post("/forget", tags=["orders"])
async def forget(fleet: Fleet, user: User, wanted: parameters.Forgotten) -> Done:
    """Take back that hosts are known; what is declared stays so."""
    return Done(await fleet.forget(wanted.network, user.name))


@router.post("/lists/{name}/import", tags=["lists"])
async def import_entries(
    fleet: Fleet, user: User, name: parameters.Name, wanted: parameters.Entries
) -> interface.Imported:
    """Make an entry of each line of a text; lines that cannot be one are left out and named."""
    return await fleet.import_list(name, wanted.text, wanted.comment, user.name)


def _order(wanted: parameters.Wanted | parameters.Known, who: str) -> Order:
    return Order(wanted.network, wanted.seconds, wanted.comment, who)
