"""The events of a gateway's own log that are about its models: versions, the repository, workers, circuits.

Names are stable, because searches and alerts go by them; sentences may be put better at any time.
"""

from logging import ERROR, INFO, WARNING

from bridge.own_log import Event

__all__ = [
    "CIRCUIT_CLOSED",
    "CIRCUIT_OPENED",
    "CIRCUIT_STAYS_OPEN",
    "EXECUTION_BUG",
    "FOLDER_UNREADABLE",
    "LOADING_BUG",
    "MODEL_FAILED",
    "MODEL_FAILURES_LEFT_OUT",
    "MODEL_LOADED",
    "MODEL_UNLOADED",
    "PARENT_ENDED",
    "PROMOTION_UNREADABLE",
    "REFRESH_BUG",
    "REPOSITORY_BUG",
    "REPOSITORY_UNREADABLE",
    "VERSION_GIVEN_UP",
    "VERSION_REFUSED",
    "VERSION_SERVES",
    "VERSION_WAITS",
    "WORKERS_BUG",
    "WORKER_KILLED",
    "WORKER_LEFT_PROCESSES",
    "WORKER_NOT_STARTED",
]

_REPORT = "Report it, with the line."

VERSION_SERVES = Event(
    "version_serves", INFO, "%(version)s serves", "Calls without a version number go to this version now."
)
VERSION_REFUSED = Event(
    "version_refused",
    WARNING,
    "refused %(version)s: %(reason)s",
    "The version did not pass its checks; another one serves, if there is one.",
    "Deploy a corrected bundle as the next version.",
)
VERSION_WAITS = Event(
    "version_waits",
    WARNING,
    "waiting %(version)s: %(reason)s; loading is tried again in %(pause_s).1f s",
    "Time, memory or descriptors ran short while the version was loaded.",
    "Nothing if it passes; else give the machine what the line says is short.",
)
VERSION_GIVEN_UP = Event(
    "version_given_up",
    ERROR,
    "%(version)s is not tried again, because of an unexpected error",
    "A bug of the gateway while a waiting version was tried.",
    _REPORT,
)
LOADING_BUG = Event(
    "loading_bug",
    ERROR,
    "loading %(version)s failed because of a bug in the gateway",
    "The version is refused.",
    _REPORT,
)
REFRESH_BUG = Event(
    "refresh_bug",
    ERROR,
    "refreshing the versions of %(model)s failed; it is tried again",
    "A bug of the gateway; the versions stay as they are until then.",
    _REPORT,
)
REPOSITORY_UNREADABLE = Event(
    "repository_unreadable",
    WARNING,
    "the repository can't be read, which is tried again in %(pause_s)g s: %(error)s",
    "New, promoted and retired versions are not seen meanwhile; calls are answered.",
    "See to the file system of `repository`.",
)
REPOSITORY_BUG = Event(
    "repository_bug",
    ERROR,
    "the repository can't be read because of an unexpected error, which is tried again",
    "A bug of the gateway; calls are answered.",
    _REPORT,
)
FOLDER_UNREADABLE = Event(
    "folder_unreadable",
    WARNING,
    "the versions of %(model)s stay as they are, because its folder can't be read: %(error)s",
    "A folder of the repository can't be read, or hangs.",
    "See to the file system and the rights of the folder.",
)
PROMOTION_UNREADABLE = Event(
    "promotion_unreadable",
    ERROR,
    "the promoted version of %(model)s can't be read, so its highest good version serves: %(error)s",
    "The file `serving` of the model is not what `promote` writes.",
    "`scorebridge promote` the version that is to serve.",
)
MODEL_LOADED = Event(
    "model_loaded",
    INFO,
    "%(model)s was loaded for the caller '%(caller)s'",
    "An operator loaded it over the Open Inference Protocol.",
)
MODEL_UNLOADED = Event(
    "model_unloaded",
    INFO,
    "%(model)s was unloaded for the caller '%(caller)s', until it is loaded again or the gateway restarts",
    "An operator unloaded it over the Open Inference Protocol.",
)
CIRCUIT_OPENED = Event(
    "circuit_opened",
    WARNING,
    "the circuit of %(version)s is open: %(attempts)d failures in a row; the model is asked again in %(pause_s)g s",
    "Calls get CIRCUIT_OPEN or default scores without the model being asked.",
    "Look at the lines before for what fails; roll back with `scorebridge promote`.",
)
CIRCUIT_STAYS_OPEN = Event(
    "circuit_stays_open",
    WARNING,
    "the circuit of %(version)s stays open: the model failed the probe row: %(error)s",
    "The model still fails.",
    "Roll back with `scorebridge promote`.",
)
CIRCUIT_CLOSED = Event(
    "circuit_closed",
    INFO,
    "the circuit of %(version)s is closed: the model answers again",
    "Calls are passed on again.",
)
MODEL_FAILED = Event(
    "model_failed",
    WARNING,
    "%(version)s: call %(request_id)s, %(rows)s: %(condition_class)s: %(said)s",
    "The model raised a condition for these rows; only with `log_model_messages`.",
    "Look the call up: `scorebridge log show --request-id`.",
    unlimited=True,
)
MODEL_FAILURES_LEFT_OUT = Event(
    "model_failures_left_out",
    WARNING,
    "%(version)s: of the messages of failed calls, %(lines)d more %(note)s not written",
    "The model fails often; at most 10 lines at once are written, and one a second.",
    "Look at the lines before.",
    unlimited=True,
)
EXECUTION_BUG = Event(
    "execution_bug",
    ERROR,
    "%(version)s: an execution failed by a bug of the gateway; report it",
    "A bug of the gateway; its calls get INTERNAL. `request_id` is the first of them.",
    _REPORT,
    more=("request_id", "calls"),
)
WORKER_KILLED = Event(
    "worker_killed",
    WARNING,
    "worker %(pid)d of %(version)s was killed: busy for more than %(seconds)g s (kill_after_s, else timeout_s) "
    "with an ended call",
    "The model hung or was slow; another worker is started.",
    "If it repeats: look for the calls with DEADLINE in the prediction log.",
    more=("request_id",),
)
WORKER_LEFT_PROCESSES = Event(
    "worker_left_processes",
    WARNING,
    "processes that worker %(pid)d of %(version)s started may still run: %(error)s",
    "A killed worker's processes could not be found or ended.",
    "Look for them by that process id, and end them.",
)
WORKER_NOT_STARTED = Event(
    "worker_not_started",
    WARNING,
    "a new worker of %(version)s could not be started: %(error)s",
    "Calls have fewer workers; starting is tried again.",
    "Give the machine the memory, processes or descriptors that are short.",
)
WORKERS_BUG = Event(
    "workers_bug", ERROR, "background work for the workers of %(version)s failed", "A bug of the gateway.", _REPORT
)
PARENT_ENDED = Event(
    "parent_ended",
    WARNING,
    "the parent of the workers of %(version)s ended; they go on, and a new parent is started",
    "The R or Python process that workers are forked from was ended or ran out of memory.",
    "If it repeats: look at the machine's memory.",
)
