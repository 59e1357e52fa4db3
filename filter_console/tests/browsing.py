"""A reader of the console without a browser: he logs in, and sends what forms send."""

import re
from dataclasses import dataclass
from html.parser import HTMLParser

from argon2 import PasswordHasher
from fastapi.testclient import TestClient
from sample_fleet import SampleFleet

from sender_filter_console.app import create_app
from sender_filter_console.settings.schema import Config, Listen, User

ORIGIN = "http://127.0.0.1:8025"
PHRASE = "correct horse"
# Cheap on purpose: it is not the hash that is tested.
HASH = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PHRASE)
USERS = [User("olive", HASH, "operator"), User("victor", HASH, "viewer")]

PAGES = (
    "/",
    "/connections",
    "/connections?live=off&result=refused&network=198.51.100.0/24",
    "/connections/9",
    "/address",
    "/address?address=198.51.100.7&why=9",
    "/lists",
    "/lists/blocked",
    "/lists/approved?search=x&only=run_time",
    "/lists/known_hosts",
    "/topology",
    "/help",
)
CHANGES = (
    "/address/block",
    "/address/approve",
    "/address/release",
    "/address/know",
    "/address/forget",
    "/lists/blocked/import",
    "/lists/known_hosts/import",
)


@dataclass
class Reader:
    """One browser."""

    client: TestClient
    fleet: SampleFleet
    notes: list[dict[str, object]]

    def log_in(self, name: str = "olive") -> "Reader":
        answer = self.post("/login", name=name, password=PHRASE)
        assert answer.status_code == 303, answer.text
        return self

    def get(self, path: str, **headers: str):
        return self.client.get(path, headers=headers, follow_redirects=False)

    def post(self, path: str, *, origin: str | None = ORIGIN, **fields: str):
        headers = {"origin": origin} if origin else {}
        return self.client.post(path, data=fields, headers=headers, follow_redirects=False)

    def token(self) -> str:
        found = re.search(r'name="csrf" value="([^"]+)"', self.get("/help").text)
        assert found, "no token on the page"
        return found[1]

    def change(self, path: str, **fields: str):
        return self.post(path, csrf=self.token(), **fields)


def reader(fleet: SampleFleet | None = None, *, listen: Listen | None = None) -> Reader:
    """A browser that knows nothing yet."""
    fleet = fleet or SampleFleet()
    notes: list[dict[str, object]] = []

    def note(who: str, action: str, outcome: str, **what: object) -> None:
        notes.append({"who": who, "action": action, "outcome": outcome} | what)

    app = create_app(Config(listen=listen or Listen(), users=USERS), fleet, note)
    return Reader(TestClient(app, base_url=ORIGIN, raise_server_exceptions=False), fleet, notes)


class Markup(HTMLParser):
    """What a browser would make of a page: its elements, and its text."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]
