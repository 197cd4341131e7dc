"""The one door into moto: every call takes the lock, is logged, asks the fault rules, and is answered here.

moto looks an operation up as a method of its response class, without a lock, and answers one it does not know with an
HTML page; and it has no notion of client tokens. All of that is settled in `Seam.answer`, for both in-process and HTTP.
"""

from __future__ import annotations

import json
import logging
import re
import socket
import warnings
from collections.abc import Callable, Mapping
from typing import Any

from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult, BaseResponse
from moto.core.utils import camelcase_to_underscores
from werkzeug.exceptions import HTTPException

from pipeline.sandbox.answers import Answered
from pipeline.sandbox.calls import Call, action_name, mutates
from pipeline.sandbox.faults import Fault, FaultKind, error_code
from pipeline.sandbox.questions import questions
from pipeline.sandbox.registry import OPERATIONS, Parameters, Refusal, Request, refusal
from pipeline.sandbox.state import State, user_arn

Answer = tuple[int, dict[str, Any], Any]
_SERVER_ERRORS = {"InternalError": 500, "InternalFailure": 500, "ServiceUnavailable": 503, "Unavailable": 503}
_OK = 300
_LOG = logging.getLogger(__name__)
_BROKEN = {"ec2": "InternalError", "ssm": "InternalServerError"}
_DENIED = {"ec2": "UnauthorizedOperation", "ssm": "AccessDeniedException", "kms": "AccessDeniedException"}
_YOUNG = {
    "ami": ("InvalidAMIID.NotFound", "The image id '[{}]' does not exist"),
    "i": ("InvalidInstanceID.NotFound", "The instance ID '{}' does not exist"),
    "snap": ("InvalidSnapshot.NotFound", "The snapshot '{}' does not exist."),
    "lt": ("InvalidLaunchTemplateId.NotFound", "The specified launch template, with template ID {}, does not exist."),
}
_CREDENTIAL = re.compile(r"Credential=([^/]+)/")
_ID = re.compile(r"(ami|i|snap|lt)-[0-9a-f]+")


class Seam:
    """Answers every call to moto for one cloud."""

    def __init__(self, state: State, tick: Callable[[], object]) -> None:
        self._state = state
        self._tick = tick
        self._tokens: dict[tuple[str, ...], tuple[str, Answer]] = {}
        self._original: Any = None

    def install(self) -> None:
        """Take moto's dispatch over."""
        self._original = BaseResponse._dispatch  # noqa: SLF001 - moto has no public seam

        def dispatch(response: Any, request: Any, full_url: str | None = None, headers: Any = None) -> Answer:
            response.setup_class(request, full_url, headers)
            return self.answer(response, request)

        BaseResponse._dispatch = dispatch  # noqa: SLF001 - moto has no public seam

    def uninstall(self) -> None:
        """Give moto's dispatch back."""
        BaseResponse._dispatch = self._original  # noqa: SLF001 - moto has no public seam

    def answer(self, response: Any, request: Any) -> Answer:
        """Answer one call."""
        operation = response._get_action()  # noqa: SLF001 - moto has no public seam
        service = response.boto3_service_name
        action = action_name(service, operation or "?")
        with self._state.lock:
            faults = self._state.faults.decide(action)
        for fault in faults:
            if fault.kind is FaultKind.LATENCY:
                self._state.clock.sleep(fault.latency)
        if _has(faults, FaultKind.RESET):
            return _cut(response, request)
        try:
            answer = self._answer_in_turn(response, request, service, operation, faults)
        except Exception:
            if _connection(request) is None:
                raise
            _LOG.exception("%s could not be answered", action)
            answer = _broken(response, service)
        return _cut(response, request) if _has(faults, FaultKind.LOST) else answer

    def _answer_in_turn(
        self, response: Any, request: Any, service: str, operation: str, faults: tuple[Fault, ...]
    ) -> Answer:
        action = action_name(service, operation or "?")
        with self._state.lock:
            self._tick()
            answer, error = self._execute(response, request, service, operation, faults)
            self._state.calls.record(
                Call(
                    at=self._state.clock.now(),
                    action=action,
                    parameters=_parameters(response, request),
                    account=response.current_account,
                    region=response.region,
                    error=error,
                )
            )
            if mutates(action):
                self._tick()
        return answer

    def _execute(
        self, response: Any, request: Any, service: str, operation: str, faults: tuple[Fault, ...]
    ) -> tuple[Answer, str]:
        error = ""

        def call() -> Any:
            nonlocal error
            try:
                parameters = _parameters(response, request)
                action = action_name(service, operation)
                self._authorise(response, action, parameters)
                self._admit(action, parameters, faults)
                result = self._run(response, service, operation, parameters)
            except ServiceException as refused:
                error = refused.code
                return ActionResult(refused)
            except NotImplementedError:  # moto's own word for what it lacks
                unknown = _unknown(service, operation)
                error = unknown.code
                return ActionResult(unknown)
            return result

        token = self._token(response, request, service, operation)
        if token and (kept := self._tokens.get(token[0])):
            if kept[0] == token[1]:
                return kept[1], ""
            text = "The client token was used before with other parameters."
            return _serialised(response, ActionResult(refusal(_mismatch(service), text))), _mismatch(service)
        answer = _serialised(response, call)
        if error in _SERVER_ERRORS:  # moto answers 400 where the model has no shape for the code
            answer = (_SERVER_ERRORS[error], *answer[1:])
        if token and not error and answer[0] < _OK:
            self._tokens[token[0]] = (token[1], answer)
        return answer, error

    def _authorise(self, response: Any, action: str, parameters: Parameters) -> None:
        access, account = self._state.access, response.current_account
        denied = None if access.allows(action) else action
        if policies := access.policies and access.policies.get(_caller(response)):
            asked = questions(self._state.scope(account, response.region), action, parameters)
            refused = (one.action for one in asked if not any(policy.allows(one) for policy in policies))
            denied = denied or next(refused, None)
        if denied is None:
            return
        service = action.partition(":")[0]
        who = user_arn(account)
        text = f"User: {who} is not authorized to perform: {denied} because no identity-based policy allows it"
        if service == "ec2":
            text = f"You are not authorized to perform this operation. {text}"
        raise refusal(_DENIED.get(service, "AccessDenied"), text)

    def _admit(self, action: str, parameters: Parameters, faults: tuple[Fault, ...]) -> None:
        for fault in faults:
            if fault.kind is FaultKind.ERROR:
                raise refusal(error_code(fault, action), fault.message)
        if action.startswith("ec2:") and self._state.faults.visibility_delay:
            self._hide_young(parameters)

    def _hide_young(self, parameters: Parameters) -> None:
        threshold = self._state.clock.now() - self._state.faults.visibility_delay
        for text in _strings(parameters):
            match = _ID.fullmatch(text)
            if match and self._state.born.get(text, threshold) > threshold:
                code, message = _YOUNG[match.group(1)]
                raise refusal(code, message.format(text))

    def _run(self, response: Any, service: str, operation: str, parameters: Parameters) -> Any:
        method = getattr(response, camelcase_to_underscores(operation), None)

        def native() -> Any:
            if method is None:
                raise _unknown(service, operation)
            return _plain(method())

        function = OPERATIONS.get((service, operation))
        if function is None:
            # Of moto's Auto Scaling only the launch configurations are used: it knows nothing of the groups here.
            if method is None or (service == "autoscaling" and "LaunchConfiguration" not in operation):
                raise _unknown(service, operation)
            return method()
        request = Request(
            state=self._state,
            account=response.current_account,
            region=response.region,
            caller=response.access_key,
            native=native,
        )
        return ActionResult(function(request, parameters) or {})

    def _token(self, response: Any, request: Any, service: str, operation: str) -> tuple[tuple[str, ...], str] | None:
        parameters = _parameters(response, request)
        token = parameters.get("ClientToken") or parameters.get("ClientRequestToken")
        if not token or parameters.get("DryRun"):
            return None
        # The signature is taken before the call: moto changes parameters in place.
        key = (response.current_account, response.region, service, operation, token)
        return key, json.dumps(parameters, sort_keys=True, default=str)


def _caller(response: Any) -> str:
    """Read the access key that a call is signed with; moto takes only such for one as look like AWS's own."""
    found = _CREDENTIAL.search(response.headers.get("Authorization", ""))
    return found[1] if found else ""


def _mismatch(service: str) -> str:
    return (
        "IdempotentParameterMismatch" if service in {"ec2", "autoscaling"} else "IdempotentParameterMismatchException"
    )


def _has(faults: tuple[Fault, ...], kind: FaultKind) -> bool:
    return any(fault.kind is kind for fault in faults)


def _parameters(response: Any, request: Any) -> Parameters:
    """Parse the parameters with botocore's model, also for the services that moto parses by hand."""
    if not response.automated_parameter_parsing and not getattr(response, "params", None):
        try:
            response.parse_parameters(request)
        except Exception:  # noqa: BLE001 - an operation outside of the model has no parameters
            return {}
    parameters: Any = getattr(response, "params", None)
    original = getattr(parameters, "original_dict", None)
    plain = original() if original else parameters
    return plain if isinstance(plain, dict) else {}


def _plain(result: Any) -> Any:
    """Take moto's answer as the dict that it is serialised from."""
    if isinstance(result, ActionResult):
        return result.result
    text = result[-1] if isinstance(result, tuple) else result
    return json.loads(text) if isinstance(text, str) and text.startswith("{") else {}


def _unknown(service: str, operation: str) -> Refusal:
    return refusal("UnsupportedOperation", f"The sandbox does not know {service}:{operation}.")


def _serialised(response: Any, result: Any) -> Answer:
    """Serialise as moto does; a code without a shape in the model only warns there, so the warning is kept quiet."""
    headers: dict[str, Any] = response.response_headers
    try:
        raw = result() if callable(result) else result
    except HTTPException as error:
        raw = error.description, {**dict(error.get_headers() or []), "status": error.code}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if type(raw) is ActionResult:
            raw = Answered(raw.result)
        if isinstance(raw, ActionResult):
            status, headers, body = response.serialized(raw)
        elif isinstance(raw, str):
            status, body = 200, raw
        else:
            status, headers, body = response._transform_response(headers, raw)  # noqa: SLF001 - as call_action does
    headers, body = response._enrich_response(headers, body)  # noqa: SLF001 - as call_action does
    return status, headers, body


def _broken(response: Any, service: str) -> Answer:
    """Answer that the service itself has failed, as that service says it."""
    text = "The sandbox failed to answer; its log says why."
    _, headers, body = _serialised(response, ActionResult(refusal(_BROKEN.get(service, "InternalFailure"), text)))
    return 500, headers, body


def _connection(request: Any) -> Any:
    """Tell the socket that a request came by; None in process."""
    return request.environ.get("werkzeug.socket")


def _cut(response: Any, request: Any) -> Answer:
    """End the connection. In process there is none: a 500 is what every client retries in the same way."""
    connection = _connection(request)
    if connection is not None:
        # close() alone would leave the client waiting for its read time-out
        connection.shutdown(socket.SHUT_RDWR)
    return 500, response.response_headers, ""


def _strings(value: object) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        return [text for item in value.values() for text in _strings(item)]
    if isinstance(value, list):
        return [text for item in value for text in _strings(item)]
    return []
