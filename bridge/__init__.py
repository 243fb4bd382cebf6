"""Serves scores of R and xgboost models over gRPC: in time, marked for what they are."""
