from __future__ import annotations

import asyncio
from collections import Counter

import pytest
from sandbox_real.balancing import (
    DOOR,
    OK,
    PORT,
    ask,
    at,
    balancer,
    forward,
    group,
    listener,
    saying,
    target,
    tell,
    well,
)

from pipeline.sandbox.machines import Rule, Traffic

A, B = "127.81.1.1", "127.81.1.2"
KEEP = b"GET /x HTTP/1.1\r\nHost: h\r\n\r\n"
CLOSE = b"GET /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n"


def test_an_answer_says_which_image_gave_it() -> None:
    """A client counts by image without asking AWS."""

    async def story() -> bytes:
        async with target(A, well), balancer(group(at("i-1", A))):
            return await ask()

    answer = asyncio.run(story())
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"X-Sandbox-Image: ami-1\r\n" in answer
    assert b"X-Sandbox-Instance: i-1\r\n" in answer
    assert answer.endswith(b"\r\n\r\nok")


def test_pipelined_requests_share_one_connection_to_the_target() -> None:
    """Connections are kept on both sides, and answers come in order."""

    async def story() -> tuple[bytes, int, int]:
        async with target(A, well) as seen, balancer(group(at("i-1", A))):
            answer = await ask(KEEP * 4 + CLOSE)
            return answer, len(seen.heads), seen.connections

    answer, requests, connections = asyncio.run(story())
    assert answer.count(b"HTTP/1.1 200 OK") == 5
    assert requests == 5
    assert connections <= 3  # one for the requests, the others are health checks


@pytest.mark.parametrize(
    ("parts", "body"),
    [
        ((b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", b"0\r\n\r\n"), b"2\r\nok\r\n0\r\n\r\n"),
        ((b"HTTP/1.1 200 OK\r\n\r\nok",), b"2\r\nok\r\n0\r\n\r\n"),
        ((b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",), b""),
        ((b"HTTP/1.1 204 No Content\r\n\r\n",), b""),
    ],
)
def test_answers_come_in_any_framing(parts: tuple[bytes, ...], body: bytes) -> None:
    """Chunked, until the connection ends, empty: the client sees where each ends."""

    async def story() -> bytes:
        async with target(A, saying(*parts, stay=False, pause=0.02)), balancer(group(at("i-1", A))):
            return await ask()

    assert asyncio.run(story()).endswith(b"\r\n\r\n" + body)


def test_a_request_body_arrives_whole() -> None:
    """Sent after 100 Continue, as curl does with large ones."""
    bodies: list[bytes] = []

    async def story() -> bytes:
        async def behave(_head: bytes, writer: asyncio.StreamWriter, _number: int) -> bool:
            writer.write(OK)
            return False

        async with target(A, behave) as seen, balancer(group(at("i-1", A))):
            head = (
                b"POST /p HTTP/1.1\r\nHost: h\r\nExpect: 100-continue\r\nContent-Length: 4\r\nConnection: close\r\n\r\n"
            )
            answer = await ask(head + b"body")
            bodies.extend(seen.heads)
            return answer

    answer = asyncio.run(story())
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK")
    assert b"Expect" not in bodies[0]


def test_a_connection_that_died_in_the_pool_is_retried_once() -> None:
    """The target closes it just as it is used again: no fault the client should see."""

    async def story() -> bytes:
        async def once(_head: bytes, writer: asyncio.StreamWriter, number: int) -> bool:
            if number > 1:
                return False
            writer.write(OK)
            return True

        async with target(A, once), balancer(group(at("i-1", A))):
            return await ask(KEEP * 3 + CLOSE)

    assert asyncio.run(story()).count(b"HTTP/1.1 200 OK") == 4


def test_a_post_is_never_sent_twice() -> None:
    """The target may have acted on the first."""

    async def story() -> bytes:
        async def once(_head: bytes, writer: asyncio.StreamWriter, number: int) -> bool:
            if number > 1:
                return False
            writer.write(OK)
            return True

        async with target(A, once), balancer(group(at("i-1", A))):
            return await ask(KEEP + b"POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    assert b"HTTP/1.1 502 Bad Gateway" in asyncio.run(story())


@pytest.mark.parametrize("said", [b"", b"nonsense\r\n\r\n", b"x" * 70000])
def test_a_target_without_an_answer_is_a_502(said: bytes) -> None:
    """It closed, or does not speak HTTP."""

    async def story() -> bytes:
        async with target(A, saying(said, stay=False)), balancer(group(at("i-1", A))):
            return await ask()

    assert asyncio.run(story()).startswith(b"HTTP/1.1 502 Bad Gateway")


@pytest.mark.parametrize(("length", "status"), [(9, b"502 Bad Gateway"), (90000, b"200 OK")])
def test_an_answer_cut_short_is_never_taken_for_whole(length: int, status: bytes) -> None:
    """A short one is a 502; of a long one the client has seen the head, so its connection breaks."""

    async def story() -> bytes:
        head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % length
        behaviour = saying(head + b"half", b"", stay=False, pause=0.05)
        async with target(A, behaviour), balancer(group(at("i-1", A))):
            return await ask()

    answer = asyncio.run(story())
    assert answer.startswith(b"HTTP/1.1 " + status) or (length == 90000 and answer == b"reset")
    assert len(answer) < 1000


def test_nobody_there_is_a_502_and_no_target_a_503() -> None:
    """The two differ for those who read a graph of them."""

    async def story() -> tuple[bytes, bytes]:
        async with balancer(group(at("i-1", A))) as running:
            refused = await ask()
            await tell(running, [group()], [forward()])
            return refused, await ask()

    refused, empty = asyncio.run(story())
    assert refused.startswith(b"HTTP/1.1 502 ")
    assert empty.startswith(b"HTTP/1.1 503 ")


def test_rules_choose_fixed_responses_and_404() -> None:
    """HEAD gets the head of it."""

    async def story() -> list[bytes]:
        door = listener(Rule(priority=1, paths=("/fixed",), fixed_status=200, fixed_body="hello"))
        async with balancer(door=door):
            words = (b"GET /fixed?q", b"HEAD /fixed", b"GET /other")
            return [await ask(w + b" HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n") for w in words]

    fixed, head, other = asyncio.run(story())
    assert fixed.endswith(b"\r\n\r\nhello")
    assert head.endswith(b"\r\n\r\n")
    assert b"Content-Length: 5" in head
    assert other.startswith(b"HTTP/1.1 404")


@pytest.mark.parametrize(
    ("request_bytes", "status"),
    [
        (b"nonsense\r\n\r\n", b" 400 "),
        (CLOSE[:-2] + b"Content-Length: 17000000\r\n\r\n" + b"x" * 17_000_000, b" 413 "),
    ],
)
def test_a_request_that_cannot_be_forwarded_is_answered(request_bytes: bytes, status: bytes) -> None:
    """It is no HTTP, or too large to be kept for a second try."""

    async def story() -> tuple[bytes, int]:
        async with target(A, well) as seen, balancer(group(at("i-1", A))):
            return await ask(request_bytes), len(seen.heads)

    answer, forwarded = asyncio.run(story())
    assert answer == b"reset" or answer[8:13] == status
    assert forwarded == 0


def test_draining_lets_requests_finish_and_takes_no_new_ones() -> None:
    """What zero failed requests during a refresh rests on."""

    async def story() -> tuple[bytes, list[bytes]]:
        slow = saying(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nsl", b"ow", pause=0.3)
        async with target(A, slow), target(B, well), balancer(group(at("i-1", A))) as running:
            under_way = asyncio.create_task(ask())
            await asyncio.sleep(0.1)
            await tell(running, [group(at("i-1", A, draining=True), at("i-2", B))], [forward()])
            after = [await ask() for _ in range(3)]
            await tell(running, [group(at("i-2", B))], [forward()])
            return await under_way, after

    under_way, after = asyncio.run(story())
    assert under_way.endswith(b"slow")
    assert all(b"X-Sandbox-Instance: i-2\r\n" in answer for answer in after)


def test_a_target_registered_again_while_it_drains_is_a_new_one() -> None:
    """Its health starts again from the beginning."""

    async def story() -> bytes:
        async with target(A, well), balancer(group(at("i-1", A))) as running:
            await tell(running, [group(at("i-1", A, draining=True))], [forward()])
            drained = await ask()
            await tell(running, [group(at("i-1", A))], [forward()])
            await asyncio.sleep(0.05)
            return drained + await ask()

    answers = asyncio.run(story())
    assert answers.startswith(b"HTTP/1.1 503")
    assert b"HTTP/1.1 200 OK" in answers


def test_what_was_served_is_counted_by_target() -> None:
    """Answers of targets by their kind and with their time; the balancer's own apart, a rule's not at all."""

    async def story() -> list[Traffic]:
        sick = saying(b"HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n")
        fixed = Rule(priority=1, paths=("/fixed",), fixed_status=503)
        door = listener(fixed, Rule(priority=2, weights={"tg": 1}))
        async with target(A, sick), balancer(group(at("i-1", A)), door=door) as running:
            await ask(KEEP.replace(b"/x", b"/fixed") + KEEP + CLOSE)
            await tell(running, [group(at("i-2", B))], [door])
            await ask()
            await tell(running, [group()], [door])
            await ask()
            return running.served()

    first, second, third = asyncio.run(story())
    assert [(one.listener, one.group) for one in (first, second, third)] == [("l", "tg")] * 3
    assert (first.instance, dict(first.answers), sum(first.seconds.values())) == ("i-1", {"Target_5XX": 2}, 2)
    assert (second.instance, dict(second.answers), dict(second.seconds)) == ("i-2", {"ELB_5XX": 1}, {})
    assert (third.instance, dict(third.answers)) == ("", {"ELB_5XX": 1})


def test_weights_split_the_requests() -> None:
    """And changing them takes effect with the next request, on connections that stay open."""

    async def story() -> tuple[Counter[bytes], Counter[bytes]]:
        blue, green = group(at("i-1", A), arn="blue"), group(at("i-2", B), arn="green")
        async with target(A, well), target(B, well), balancer(blue, green, door=forward(blue=9, green=1)) as running:
            reader, writer = await asyncio.open_connection(DOOR, PORT)

            async def count(times: int) -> Counter[bytes]:
                seen: Counter[bytes] = Counter()
                for _ in range(times):
                    writer.write(KEEP)
                    head = await reader.readuntil(b"\r\n\r\n")
                    await reader.readexactly(2)
                    seen[head.partition(b"X-Sandbox-Image: ")[2].partition(b"\r\n")[0]] += 1
                return seen

            before = await count(20)
            await tell(running, [blue, green], [forward(blue=0, green=1)])
            after = await count(5)
            writer.close()
            return before, after

    before, after = asyncio.run(story())
    assert before == {b"ami-1": 18, b"ami-2": 2}
    assert after == {b"ami-2": 5}


def test_a_client_that_leaves_takes_its_request_along() -> None:
    """Nobody waits for the answer, so the target's connection is closed and the balancer lives on."""

    async def story() -> bytes:
        never = saying(b"", b"", pause=5)
        async with target(A, never), target(B, well), balancer(group(at("i-1", A))) as running:
            _, writer = await asyncio.open_connection(DOOR, PORT)
            writer.write(KEEP)
            await asyncio.sleep(0.05)
            writer.close()
            await tell(running, [group(at("i-2", B))], [forward()])
            return await ask()

    assert asyncio.run(story()).startswith(b"HTTP/1.1 200 OK")
