"""What can be done about each error, by its class: for the page of errors, and for whoever shows errors to people."""

from typing import NamedTuple

from bridge import errors, lookup_errors
from bridge.errors import BridgeError

__all__ = ["REMEDIES", "Remedy"]


class Remedy(NamedTuple):
    """What can be done about an error.

    Attributes:
        again: whether the same call may succeed if it is sent again, and when, in words.
        text: what to do, in sentences.
    """

    again: str
    text: str


_NO = "no"

REMEDIES: dict[type[BridgeError], Remedy] = {
    errors.InvalidRequest: Remedy(
        _NO,
        "Change what the message names. GetModel lists the features and their types, and the model's limits.",
    ),
    errors.UnknownLevel: Remedy(
        _NO,
        "Send one of the feature's levels, which GetModel lists. A call that says `partial` gets the other rows.",
    ),
    errors.UnfitRow: Remedy(
        _NO,
        "Change the value that the message names by column and row. A call that says `partial` gets the other rows.",
    ),
    errors.RefusedLevel: Remedy(
        _NO,
        "Send one of the feature's levels, which GetModel lists; or the author sets `unknown_level` in "
        "model.toml. A call that says `partial` gets the other rows.",
    ),
    errors.Unauthenticated: Remedy(
        _NO,
        "Send the token, or show the certificate, of a caller in callers.toml, over TLS. See whether the "
        "entry has expired.",
    ),
    errors.PermissionDenied: Remedy(
        _NO,
        "An operator adds the model to the caller's `models`, or gives it the role `operate`, in callers.toml.",
    ),
    errors.ModelNotFound: Remedy(
        _NO,
        "Look at `scorebridge models` for the names and versions that are there; deploy the version, or ask another.",
    ),
    errors.VersionRefused: Remedy(
        _NO,
        "The reason is in `scorebridge models` and /readyz: mend the bundle, and deploy it as a new version.",
    ),
    errors.Overloaded: Remedy(
        "yes, after a pause",
        "Send fewer rows at a time or give calls more time. If it lasts: more `workers`, a larger "
        "`max_pending_rows`, or more gateways.",
    ),
    errors.RateLimited: Remedy(
        "yes, after a pause",
        "Send fewer rows a second, or an operator raises the caller's `rows_per_s` in callers.toml.",
    ),
    errors.CircuitOpen: Remedy(
        "yes, after `open_s`",
        "The model failed several times in a row: the prediction log has the errors before it.",
    ),
    errors.ModelNotReady: Remedy(
        "yes, once the version is loaded",
        "If it lasts, `scorebridge models` and /readyz say what the version waits for.",
    ),
    errors.Draining: Remedy(
        "yes, at another gateway",
        "Nothing: this gateway goes down. Its callers need another one.",
    ),
    errors.LogUnavailable: Remedy(
        "yes, once the log can be written",
        'Give the disk of `log_dir` room, or look at its errors. `log_on_failure = "serve"` answers without a record.',
    ),
    errors.DeadlineExceeded: Remedy(
        "yes, with more time",
        "Give the call more time, or send fewer rows; the author raises `timeout_s` where calls bring no deadline.",
    ),
    errors.WorkerLost: Remedy(
        "yes, on another worker",
        "The message says how it ended, if that is known. Often memory is short: the machine's, or `memory_limit_mb`.",
    ),
    errors.PoisonCall: Remedy(
        _NO,
        "The call ends every worker that gets it. Find its rows in the prediction log, and try them by hand.",
    ),
    errors.PredictionFailed: Remedy(
        _NO,
        "The model's code raised: `scorebridge log show` has its message. Mend the model, or the rows that it"
        " can't take.",
    ),
    errors.MalformedPrediction: Remedy(
        _NO,
        "The detail says what the function returned and what to return instead: mend it, and deploy a new version.",
    ),
    errors.OtherOutputs: Remedy(
        _NO,
        "The function gives other names or types than when it was deployed: mend it, and deploy a new version.",
    ),
    errors.MissingScore: Remedy(
        _NO,
        'The model has no score for the row. `default_score` answers such rows; with `missing_score = "pass"` it is '
        "missing.",
    ),
    errors.InternalError: Remedy(
        "perhaps",
        "It is a bug of the gateway: report it, with what its log says.",
    ),
    lookup_errors.FeaturesMissing: Remedy(
        "yes, once the key is published",
        "See that the key is right and its batch published; `on_missing` in model.toml says what such rows get.",
    ),
    lookup_errors.FeaturesStale: Remedy(
        "yes, once a newer batch is published",
        "See why the group's publication is late; `max_age_s` is the limit.",
    ),
    lookup_errors.StoreUnavailable: Remedy(
        "yes, after a pause",
        "/readyz says what keeps the store from answering; `on_failure` what rows get meanwhile.",
    ),
    errors.BundleError: Remedy(
        _NO,
        "Mend what the message names in the bundle, try it by `scorebridge check`, and deploy it as a new version.",
    ),
    errors.PassingFailure: Remedy(
        "yes: a gateway tries by itself",
        "Time, memory or descriptors ran short. If it lasts, give the machine more of them.",
    ),
}
