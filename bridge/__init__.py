"""Serves scores of R and xgboost models over gRPC and HTTP: before the caller's deadline, defaults marked as such.

A backend predicts; the bridge scores. A scorer is `async Call -> Outcome`, a layer is `(call, inner) -> Outcome`, and
scoring is a backend with layers wrapped around it. A package imports only packages that are drawn below it:

    cli/             the commands: serve, check, deploy, promote, score, batch, log, reconcile
    gateway/         one gateway process from its start to its end, and the pages that show its state
    offline/         scores whole tables: runs over files that can be killed and resumed, and Spark
    fronts/          what listens: grpc.aio, pygrpc-native, the HTTP port; limits on what a connection may cost
    services/        the way from the bytes of a request to the bytes of its answer
    models/          a version from the trial of its bundle to serving and unloading
    layers/          the concerns wrapped around a backend, one layer a file; `stack` states their order
    callers/         who may call: names, tokens, certificates, and how much each may ask for
    reconcile/       scores a prediction log again, independently of the gateway, and compares
    drift/           how far logged inputs and scores have moved away from reference rows
    testing/         test doubles: a backend, a clock, a proxy that causes faults
    backends/        what predicts: R behind Rserve or inside Python's children, xgboost in this process
    workers/         processes that are leased to one call at a time
    bundles/         what is deployed: files, model.toml, golden rows, the repository of versions
    shipping/        follows a prediction log into OpenSearch or Elasticsearch
    prediction_log/  what was answered: written before the answer leaves, read, verified, exported
    codecs/          bytes to batches, outcomes to bytes
    features/        the inputs of a model, and callers' columns converted to them
    row_files/       files of rows: CSV, Parquet, Arrow, JSON lines, tables of DuckDB

Below them is the ground, modules that every package may use. `calls`, `columns` and `defaults` hold the values that
scoring works on, `looked_up` what was looked up for a call, `errors` and `lookup_errors` every way to fail, `config`
and `store_settings` the gateway's settings, `addresses` tells where callers are, `workload` how busy a version is,
`counters` what is counted of its calls. `own_log` says `events` and `model_events` to the operator, `tracing` makes
the spans of calls. The others are small helpers.
"""

import os

# grpc-core logs a line for each header that it can't read, without limit. It reads this variable when it is imported,
# so the variable is set before any of our modules imports grpc. Set GRPC_VERBOSITY yourself to get the lines.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
