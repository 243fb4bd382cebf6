"""Serves scores of R and xgboost models over gRPC: in time, marked for what they are."""

import os

# grpc-core writes a line for each header that it can't read, without limit. It looks at this when it is imported, so it
# is said before any module of ours does that; who wants the lines sets it.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")
