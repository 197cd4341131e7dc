"""A request's way through the balancer: a rule, a target, its answer; or an answer of the balancer's own."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping

from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout, DummyCookieJar, TCPConnector, web
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from pipeline.sandbox.machines import Target, Traffic
from pipeline.sandbox.real.balancer.routing import Group, Route, find
from pipeline.sandbox.real.ports import open_port

ANSWER_WITHIN = 60.0  # seconds; ELB's default idle time-out
_CONNECT_WITHIN = 10.0  # seconds; ELB's own
_REQUEST_MAX = 16 * 1024 * 1024  # a request is kept whole, so that it can be sent again
_WHOLE_MAX = 64 * 1024  # an answer up to this size is passed on at once, a larger one as it comes
_THIS_HOP = ("Connection", "Keep-Alive", "Proxy-Connection", "TE", "Transfer-Encoding", "Upgrade", "Expect")

Source = tuple[str, str, str]
"""Listener, target group, instance."""


class Counts:
    """Answers by where they came from and of what kind they are, and how long targets took."""

    def __init__(self) -> None:
        self._rows: dict[Source, tuple[Counter[str], Counter[float]]] = {}

    def add(self, source: Source, kind: str, seconds: float | None = None) -> None:
        """Count an answer; durations are kept to two digits, so that few of them differ."""
        row = self._rows.get(source)
        if row is None:
            row = self._rows[source] = Counter(), Counter()
        row[0][kind] += 1
        if seconds is not None:
            row[1][float(f"{seconds:.2g}")] += 1

    def take(self) -> list[Traffic]:
        """Hand out what was counted since this was last asked."""
        rows, self._rows = self._rows, {}
        return [
            Traffic(listener=listener, group=group, instance=instance, answers=dict(answers), seconds=dict(seconds))
            for (listener, group, instance), (answers, seconds) in rows.items()
        ]


class Proxy:
    """Answers requests, over connections to the targets that are kept open.

    ``patience`` is how long a target may be silent, in seconds.
    """

    def __init__(self, groups: Mapping[str, Group], *, patience: float) -> None:
        self.counts = Counts()
        self._groups = groups
        self._session = ClientSession(
            connector=TCPConnector(limit=0),
            timeout=ClientTimeout(total=None, sock_connect=_CONNECT_WITHIN, sock_read=patience),
            cookie_jar=DummyCookieJar(),
            auto_decompress=False,
            skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
        )

    async def close(self) -> None:
        """Close the connections to the targets."""
        await self._session.close()

    async def answer(self, request: web.BaseRequest, listener: str, routes: tuple[Route, ...]) -> web.StreamResponse:
        """Answer a request by a listener's rules, and count it once a target is to be asked."""
        route = find(routes, request.rel_url.raw_path, request.host.partition(":")[0])
        if route is None:
            return _own(404, "no rule matches")
        if route.rule.fixed_status is not None:
            return _own(route.rule.fixed_status, route.rule.fixed_body)
        arn = route.group() or ""
        group = self._groups.get(arn)
        backend = group.pick() if group else None
        source = listener, arn, backend.target.instance if backend else ""
        try:
            if backend is not None:
                return await self._forward(request, backend.target, source)
            own = _own(503, "no registered target")
        except TimeoutError:
            own = _own(504, "the target did not answer in time")
        except (ClientError, OSError):
            own = _own(502, "the target gave no answer")
        self.counts.add(source, "ELB_5XX")
        return own

    async def _forward(self, request: web.BaseRequest, target: Target, source: Source) -> web.StreamResponse:
        url = URL(f"http://{target.address}:{open_port(target.port)}{request.rel_url.raw_path_qs}", encoded=True)
        headers, body = _end_to_end(request.headers), None
        if request.can_read_body:
            if "Expect" in request.headers:
                await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            body = await request.clone(client_max_size=_REQUEST_MAX).read()
        begun = time.monotonic()
        # aiohttp sends a repeatable request again when a connection that was kept turns out dead.
        async with self._session.request(
            request.method, url, headers=headers, data=body, allow_redirects=False
        ) as answer:
            seconds = time.monotonic() - begun
            response = await _pass_on(request, answer, target)
            self.counts.add(source, f"Target_{answer.status // 100}XX", seconds)
            return response


async def _pass_on(request: web.BaseRequest, answer: ClientResponse, target: Target) -> web.StreamResponse:
    headers = _end_to_end(answer.headers)
    headers["X-Sandbox-Image"], headers["X-Sandbox-Instance"] = target.image, target.instance
    if answer.content_length is not None and answer.content_length <= _WHOLE_MAX:
        whole = await answer.read()
        return web.Response(status=answer.status, reason=answer.reason, headers=headers, body=whole)
    response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=headers)
    await response.prepare(request)
    try:
        async for data in answer.content.iter_any():
            await response.write(data)
    except (ClientError, OSError):
        if request.transport is not None:
            request.transport.abort()  # the answer was begun: only a broken connection says that it is not whole
    return response


def _end_to_end(headers: CIMultiDictProxy[str]) -> CIMultiDict[str]:
    kept = headers.copy()
    for name in _THIS_HOP:
        kept.popall(name, None)
    return kept


def _own(status: int, text: str) -> web.Response:
    return web.Response(status=status, text=text, headers={"Server": "awselb/2.0"})
