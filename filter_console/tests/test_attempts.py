"""How logins are slowed down, and how sessions end. Time is told, not waited for."""

from sender_filter_console.auth.attempts import FREE_FAILURES, LONGEST_WAIT, Attempts
from sender_filter_console.auth.proven import KEEP_SECONDS, Proven
from sender_filter_console.auth.sessions import IDLE_SECONDS, LONGEST_SECONDS, Sessions
from sender_filter_console.auth.users import User

OLIVE = User("olive", "operator")


def fail(attempts: Attempts, times: int, name: str = "olive", address: str = "192.0.2.1") -> None:
    for _ in range(times):
        attempts.begin(name, address, 0.0)


def test_mistyping_costs_nothing() -> None:
    attempts = Attempts()
    fail(attempts, FREE_FAILURES - 1)
    assert attempts.wait("olive", "192.0.2.1", 0.0) == 0


def test_the_wait_grows_and_has_an_end() -> None:
    attempts = Attempts()
    waits = []
    for _ in range(60):
        fail(attempts, 1)
        waits.append(attempts.wait("olive", "192.0.2.1", 0.0))
    assert waits == sorted(waits)
    assert waits[-1] == LONGEST_WAIT
    assert attempts.wait("olive", "192.0.2.1", LONGEST_WAIT) == 0


def test_an_address_waits_whomever_it_claims_to_be() -> None:
    attempts = Attempts()
    for number in range(FREE_FAILURES):
        fail(attempts, 1, name=f"guess{number}")
    assert attempts.wait("olive", "192.0.2.1", 0.0) > 0
    assert attempts.wait("olive", "192.0.2.2", 0.0) == 0


def test_an_account_waits_wherever_the_attempts_come_from() -> None:
    attempts = Attempts()
    for number in range(FREE_FAILURES):
        fail(attempts, 1, address=f"192.0.2.{number}")
    assert attempts.wait("olive", "198.51.100.1", 0.0) > 0
    assert attempts.wait("victor", "198.51.100.1", 0.0) == 0


def test_a_stranger_does_not_keep_the_owner_out() -> None:
    attempts = Attempts()
    attempts.begin("olive", "203.0.113.9", 0.0)
    attempts.succeeded("olive", "203.0.113.9")
    fail(attempts, 1000)
    assert attempts.wait("olive", "203.0.113.9", 0.0) == 0


def test_a_success_takes_its_own_attempt_back_and_no_other() -> None:
    attempts = Attempts()
    fail(attempts, FREE_FAILURES - 1)
    for _ in range(50):
        attempts.begin("olive", "203.0.113.9", 0.0)
        attempts.succeeded("olive", "203.0.113.9")
    assert attempts.wait("olive", "198.51.100.1", 0.0) == 0
    fail(attempts, 1)
    assert attempts.wait("olive", "198.51.100.1", 0.0) > 0


def test_a_session_ends_by_silence() -> None:
    sessions = Sessions()
    number = sessions.open(OLIVE, 0.0)
    assert sessions.get(number, IDLE_SECONDS - 1) is not None
    assert sessions.get(number, 2 * IDLE_SECONDS - 2) is not None
    assert sessions.get(number, 3 * IDLE_SECONDS) is None


def test_a_page_that_renews_itself_keeps_no_session() -> None:
    sessions = Sessions()
    number = sessions.open(OLIVE, 0.0)
    assert sessions.get(number, IDLE_SECONDS - 1, touch=False) is not None
    assert sessions.get(number, IDLE_SECONDS) is None


def test_a_session_ends_whatever_its_user_does() -> None:
    sessions = Sessions()
    number = sessions.open(OLIVE, 0.0)
    half = IDLE_SECONDS / 2
    times = int(LONGEST_SECONDS / half)
    found = [sessions.get(number, half * time) is not None for time in range(times + 1)]
    assert found == [True] * times + [False]


def test_ids_and_tokens_are_never_the_same() -> None:
    sessions = Sessions()
    numbers = [sessions.open(OLIVE, 0.0) for _ in range(50)]
    tokens = {session.csrf for number in numbers if (session := sessions.get(number, 0.0))}
    assert len({*numbers, *tokens}) == 100


def test_a_password_is_proven_for_its_name_its_address_and_a_while() -> None:
    proven = Proven()
    proven.add(proven.digest("olive", "secret", "192.0.2.1"), OLIVE, 0.0)
    assert proven.get(proven.digest("olive", "secret", "192.0.2.1"), 1.0) == OLIVE
    assert proven.get(proven.digest("olive", "secret", "192.0.2.2"), 1.0) is None
    assert proven.get(proven.digest("olive", "Secret", "192.0.2.1"), 1.0) is None
    assert proven.get(proven.digest("olive", "secret", "192.0.2.1"), KEEP_SECONDS) is None
