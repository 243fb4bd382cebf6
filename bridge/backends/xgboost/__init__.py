"""xgboost models, scored in process."""
