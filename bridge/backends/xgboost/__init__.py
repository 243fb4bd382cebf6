"""The backend of xgboost models, which predicts in the gateway's process."""
