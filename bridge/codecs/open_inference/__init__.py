"""The messages of the Open Inference Protocol, over gRPC and as JSON: batches of rows as tensors."""
