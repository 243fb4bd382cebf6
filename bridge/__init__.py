"""Serves scores of R and xgboost models over gRPC: in time, and marked for what they are.

A backend predicts; the bridge scores. A scorer is `async Call -> Outcome`, a layer is `(call, inner) -> Outcome`, and
scoring is a backend with layers folded round it. A package imports only those that are drawn below it:

    cli/             what people type: serve, check, deploy, promote, score, log, reconcile
    gateway/         the life of one gateway process, and the pages that show it
    fronts/          what listens: grpc.aio, pygrpc-native, the HTTP port, and what a connection may cost
    services/        what answers a method: from the bytes of a request to those of its answer
    models/          a version, from a bundle that is tried to one that serves
    layers/          what is folded round a backend, one layer a file; `stack` states their order
    reconcile/       a log scored again, on a path of its own, and compared
    testing/         doubles for tests: a backend, a clock, a proxy that makes faults
    backends/        what predicts: R behind Rserve, xgboost in this process
    workers/         processes that are leased one call at a time
    bundles/         what is deployed: files, model.toml, golden rows, the repository of versions
    prediction_log/  what was answered: written before the answer leaves, read, verified, exported
    codecs/          bytes to batches and outcomes, and back
    features/        what a model takes, and callers' columns brought into that form
    row_files/       files of rows: CSV

Below them is the ground, modules that every package may use: `calls`, `columns` and `defaults` are what scoring is
about, `errors` is all that can fail, `config` the gateway's settings, `workload` how busy a version is; the others are
small means to several of them.
"""

import os

# grpc-core writes a line for each header that it can't read, without limit. It looks at this when it is imported, so it
# is said before any module of ours does that; who wants the lines sets it.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
