"""Tells of the server and its models in the words of the Open Inference Protocol, and loads and unloads models."""

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from bridge.callers.caller import Caller
from bridge.codecs.open_inference import inference_pb2 as pb
from bridge.codecs.open_inference.datatypes import BY_TYPE
from bridge.codecs.open_inference.parameters import number_of_version
from bridge.columns import Type
from bridge.errors import InvalidRequest, ModelNotFound, ModelNotReady
from bridge.model_events import MODEL_LOADED, MODEL_UNLOADED
from bridge.models.operating import load_model, unload_model
from bridge.models.registry import Registry
from bridge.models.version import State, Version
from bridge.own_log import OwnLog
from bridge.texts import brief

__all__ = [
    "as_fields",
    "load",
    "model_metadata",
    "model_ready",
    "repository_index",
    "server_metadata",
    "unload",
]

_log = OwnLog(__name__)

_NAME, _DISTRIBUTION = "scorebridge", "scorebridge-gateway"
_EXTENSIONS = ("binary_tensor_data", "model_repository", "model_repository(unload_dependents)", "parameters")
_STATES = {State.READY: "READY", State.LOADING: "LOADING", State.DRAINING: "UNLOADING"}
_ANY_LENGTH = -1
_MOST_SHOWN = 100  # characters of a caller's name


def server_metadata() -> pb.ServerMetadataResponse:
    """Returns what the server is."""
    try:
        installed = version(_DISTRIBUTION)
    except PackageNotFoundError:  # it runs from its source
        installed = ""
    return pb.ServerMetadataResponse(name=_NAME, version=installed, extensions=_EXTENSIONS)


def model_ready(registry: Registry, by: Caller, model: str, number: str) -> bool:
    """Whether a version of a model scores calls.

    Args:
        registry: the gateway's versions.
        by: who asks.
        model: the model's name.
        number: the number of the version as text; empty for the one that serves.

    Raises:
        PermissionDenied: the caller may not ask for this model.
        InvalidRequest: the text is not the number of a version.
        ModelNotFound: there is no such model or version.
    """
    by.require(model)
    asked, versions = number_of_version(number), registry.versions(model)
    if not versions:
        raise ModelNotFound(f"this gateway has no model '{model}'")
    if not asked:
        return registry.serving(model) is not None
    found = next((one for one in versions if one.stored.version == asked), None)
    if found is None:
        raise ModelNotFound(f"this gateway has no version {asked} of '{model}'")
    return found.ready and model not in registry.unloaded


def model_metadata(registry: Registry, by: Caller, model: str, number: str) -> pb.ModelMetadataResponse:
    """Returns the inputs and outputs of a model, one tensor for each feature, and the versions that can be asked.

    Args:
        registry: the gateway's versions.
        by: who asks.
        model: the model's name.
        number: the number of the version as text; empty for the one that serves.

    Raises:
        PermissionDenied: the caller may not ask for this model.
        InvalidRequest: the text is not the number of a version.
        ModelNotFound: there is no such model or version.
        VersionRefused: the version did not pass its checks.
        ModelNotReady: the version is not loaded yet, or the model was unloaded.
    """
    by.require(model)
    found = registry.resolve(model, number_of_version(number))
    if found.accepted is None:
        raise ModelNotReady(f"{found.ref} is not loaded yet, so its inputs are not known")
    described = found.accepted.description
    message = pb.ModelMetadataResponse(
        name=model,
        versions=[str(one.stored.version) for one in registry.versions(model) if one.ready],
        platform=found.bundle.backend if found.bundle else "",
    )
    for name, column_type, tensors in (
        *((one.name, one.type, message.inputs) for one in described.features),
        *((one.name, one.type, message.outputs) for one in described.outputs or ()),
    ):
        # A feature of which nobody declared the type takes the caller's own, and numbers by custom.
        tensors.add(name=name, datatype=BY_TYPE[column_type or Type.DOUBLE].name, shape=[_ANY_LENGTH])
    return message


def repository_index(registry: Registry, by: Caller, *, ready_only: bool) -> pb.RepositoryIndexResponse:
    """Returns every version of every model that a caller may ask for; reasons only if it operates the gateway.

    Args:
        registry: the gateway's versions.
        by: who asks.
        ready_only: whether only versions that are ready are listed.
    """
    message = pb.RepositoryIndexResponse()
    for one in registry.versions():
        if not by.may_ask(one.stored.model) or (ready_only and not one.ready):
            continue
        entry = message.models.add(name=one.stored.model, version=str(one.stored.version))
        entry.state = _STATES.get(one.state, "UNAVAILABLE")
        if by.operates and not one.ready:
            entry.reason = _why(registry, one)
    return message


async def load(registry: Registry, by: Caller, model: str, parameters: Mapping[str, Any], repository: str) -> None:
    """Loads what is missing of a model from the repository, also of one that was unloaded.

    Args:
        registry: the gateway's versions.
        by: who asks.
        model: the model's name.
        parameters: the parameters of the request; none is taken.
        repository: the name of the repository in the request; must be empty, as there is only one.

    Raises:
        PermissionDenied: the caller does not operate the gateway, or may not ask for this model.
        InvalidRequest: there are parameters, or a name of a repository.
        ModelNotFound: the repository has no such model.
        VersionRefused: no version serves, because it did not pass its checks.
        ModelNotReady: no version serves yet.
    """
    _check(by, model, repository)
    if parameters:
        raise InvalidRequest(
            f"the parameter '{brief(min(parameters), _MOST_SHOWN)}' is not taken: a model is loaded as it was deployed"
        )
    await load_model(registry, model)
    _log.say(MODEL_LOADED, model=model, caller=by.name)


async def unload(registry: Registry, by: Caller, model: str, parameters: Mapping[str, Any], repository: str) -> None:
    """Takes a model out of memory until it is loaded again or the gateway restarts.

    Args:
        registry: the gateway's versions.
        by: who asks.
        model: the model's name.
        parameters: the parameters of the request; `unload_dependents` changes nothing, as no model depends on another.
        repository: the name of the repository in the request; must be empty, as there is only one.

    Raises:
        PermissionDenied: the caller does not operate the gateway, or may not ask for this model.
        InvalidRequest: there are other parameters, or a name of a repository.
        ModelNotFound: this gateway has no such model.
    """
    _check(by, model, repository)
    if unknown := set(parameters) - {"unload_dependents"}:
        raise InvalidRequest(f"the parameter '{brief(min(unknown), _MOST_SHOWN)}' is not taken")
    await unload_model(registry, model)
    _log.say(MODEL_UNLOADED, model=model, caller=by.name)


def as_fields(message: Any) -> dict[str, Any]:
    """Returns a message of this module as the object that the protocol's JSON has for it; maps are left out."""
    found: dict[str, Any] = {}
    for field in message.DESCRIPTOR.fields:
        entries = getattr(message, field.name)
        if field.message_type is None:
            found[field.name] = entries if isinstance(entries, bool | int | str) else list(entries)
        elif not field.message_type.GetOptions().map_entry:
            found[field.name] = [as_fields(one) for one in entries]
    return found


def _check(by: Caller, model: str, repository: str) -> None:
    by.require_operate()
    by.require(model)
    if repository:
        raise InvalidRequest("repository_name must be empty: a gateway has one repository")


def _why(registry: Registry, one: Version) -> str:
    if one.stored.model in registry.unloaded:
        return "it was unloaded"
    if one.state is State.NOT_DEPLOYED:
        return "it is not deployed: its folder has no manifest"
    if one.state is State.NOT_RESIDENT:
        return "it is not resident"
    return one.reason
