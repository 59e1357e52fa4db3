"""The lists: search, add, remove, import, export."""

from collections.abc import Sequence
from typing import Annotated, Final, cast, get_args

from fastapi import APIRouter, Form, HTTPException, Request, UploadFile
from fastapi.responses import PlainTextResponse, Response

from sender_filter_console.dependencies import Fleet, User
from sender_filter_console.i18n import translator
from sender_filter_console.interface import ExportFormat, ListName, ListQuery, RefusedError
from sender_filter_console.pages.page_route import PageRoute
from sender_filter_console.pages.rendering import back_to, language_of, render

router = APIRouter(route_class=PageRoute)

VERBS: Final[dict[ListName, str]] = {
    "blocked": "block",
    "approved": "approve",
    "known_hosts": "know",
}
"""What the form of each list asks ``/address/`` for."""

SUFFIXES: Final[dict[ExportFormat, str]] = {"cidr": "txt", "vendor": "txt", "yaml": "yml"}


def _list(name: str) -> ListName:
    if name not in get_args(ListName):
        raise HTTPException(404, f"there is no list {name}")
    return cast("ListName", name)


@router.get("/lists")
async def lists(request: Request, fleet: Fleet) -> Response:
    """How large each list is."""
    return render(request, "lists.html", lists=await fleet.lists())


@router.get("/lists/{name}")
async def entries(
    request: Request,
    fleet: Fleet,
    name: str,
    search: str = "",
    only: str = "",
    after: str = "",
) -> Response:
    """The entries of one list."""
    asked = ListQuery(_list(name), search.strip(), only == "run_time", after or None)
    if request.headers.get("hx-target") == "entries":
        return render(request, "entries_table.html", asked=asked, page=await fleet.entries(asked))
    return await _page(request, fleet, asked)


@router.post("/lists/{name}/import")
async def import_entries(
    request: Request,
    fleet: Fleet,
    user: User,
    name: str,
    text: Annotated[str, Form()] = "",
    comment: Annotated[str, Form()] = "",
    file: UploadFile | None = None,
) -> Response:
    """Make entries of a text, or of a file."""
    if file is not None and file.size:
        try:
            text = (await file.read()).decode("utf-8-sig")
        except UnicodeDecodeError:
            msg = "the file is no text (UTF-8)"
            raise RefusedError(msg) from None
    done = await fleet.import_list(_list(name), text, comment.strip(), user.name)
    note = translator(language_of(request))("{count} entries added", count=done.added)
    if not done.problems:
        return back_to(request, f"/lists/{name}?only=run_time", note)
    asked = ListQuery(_list(name), run_time=True)
    return await _page(request, fleet, asked, [note, *done.problems])


async def _page(
    request: Request, fleet: Fleet, asked: ListQuery, problems: Sequence[str] = ()
) -> Response:
    return render(
        request,
        "list.html",
        lists=await fleet.lists(),
        problems=problems,
        asked=asked,
        page=await fleet.entries(asked),
        verb=VERBS[asked.name],
    )


@router.get("/lists/{name}/export")
async def export(fleet: Fleet, name: str, form: str = "cidr", only: str = "") -> Response:
    """The list as a file."""
    if form not in SUFFIXES:
        raise HTTPException(404, f"there is no format {form}")
    text = await fleet.export_list(_list(name), form, run_time=only == "run_time")
    file = f"{name}-{form}.{SUFFIXES[form]}"
    return PlainTextResponse(
        text, headers={"content-disposition": f'attachment; filename="{file}"'}
    )
