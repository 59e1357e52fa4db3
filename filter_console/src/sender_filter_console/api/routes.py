"""What the API shows."""

from fastapi import APIRouter
from fastapi.responses import PlainTextResponse

from sender_filter_console import interface
from sender_filter_console.api import parameters, problems
from sender_filter_console.dependencies import Fleet, User
from sender_filter_console.interface import DecisionQuery, ExportFormat, ListQuery, Page

router = APIRouter(route_class=problems.ApiRoute, responses=problems.RESPONSES)


@router.get("/me", tags=["login"])
async def me(user: User) -> dict[str, str]:
    """Who has logged in, and in which role."""
    return {"name": user.name, "role": user.role}


@router.get("/overview", tags=["overview"])
async def overview(fleet: Fleet) -> interface.Overview:
    """Functions, health and gateways."""
    return await fleet.overview()


@router.get("/chart", tags=["overview"])
async def chart(
    fleet: Fleet,
    since: parameters.Beginning,
    columns: parameters.Columns = 60,
    gateway: parameters.Gateway = None,
) -> list[interface.ChartBucket]:
    """Decisions from then until now, counted."""
    return await fleet.chart(since, columns, gateway)


@router.get("/top", tags=["overview"])
async def top(fleet: Fleet, limit: parameters.Limit = 10) -> list[interface.TopAddress]:
    """The addresses most often refused in the last seven days."""
    return await fleet.top(limit)


@router.get("/decisions", tags=["decisions"])
async def decisions(
    fleet: Fleet,
    network: parameters.Network = "",
    function: parameters.OfFunction = None,
    result: parameters.WithResult = None,
    gateway: parameters.Gateway = None,
    since: parameters.Since = None,
    until: parameters.Until = None,
    after: parameters.After = None,
    limit: parameters.Limit = 50,
) -> Page[interface.Decision]:
    """Decisions, the latest first.

    A page may have fewer rows than were asked for, and still be followed by another one: `next`
    says so, not the number of rows.
    """
    query = DecisionQuery(network, function, result, gateway, since, until, after, limit)
    return await fleet.decisions(query)


@router.get("/decisions/{number}", tags=["decisions"])
async def decision(fleet: Fleet, number: parameters.Number) -> interface.FullDecision:
    """Everything about one decision."""
    return await fleet.decision(number)


@router.get("/address", tags=["address"])
async def address(fleet: Fleet, address: parameters.Address) -> interface.AddressReport:
    """What would be decided about an address now and why, its profile and its history."""
    return await fleet.address(address)


@router.get("/lists", tags=["lists"])
async def lists(fleet: Fleet) -> list[interface.ListSummary]:
    """How long each list is."""
    return await fleet.lists()


@router.get("/lists/{name}", tags=["lists"])
async def entries(
    fleet: Fleet,
    name: parameters.Name,
    search: parameters.Search = "",
    run_time: parameters.RunTime = False,
    after: parameters.After = None,
    limit: parameters.Limit = 50,
) -> Page[interface.Entry]:
    """Entries of a list."""
    return await fleet.entries(ListQuery(name, search, run_time, after, limit))


@router.get(
    "/lists/{name}/export",
    tags=["lists"],
    response_class=PlainTextResponse,
    responses=problems.OF_TEXT,
)
async def export(
    fleet: Fleet,
    name: parameters.Name,
    form: ExportFormat = "cidr",
    run_time: parameters.RunTime = False,
) -> str:
    """A list as text; `yaml` is what operators have said at run time, for the inventory."""
    return await fleet.export_list(name, form, run_time=run_time)


@router.get("/topology", tags=["topology"])
async def topology(fleet: Fleet) -> interface.Topology:
    """Who owns the ports of this gateway's mail path, and what differs from its declaration."""
    return await fleet.topology()
