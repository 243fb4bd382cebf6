# What a fresh machine needs: `make demo` and `make test`. Each target installs what it lacks through `setup`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The oldest protoc whose Python code we support, so that callers need not have the newest protobuf.
PROTOC_TOOLS := grpcio-tools==1.62.3
PROTOC := PYTHONPATH=$(VENV)/protoc $(BIN)/python -W ignore -m grpc_tools.protoc -I protos -I $(VENV)/protoc/grpc_tools/_proto
GENERATED ?= clients/python

.PHONY: setup demo test soak bench bench-quick lint types fmt protos clean

setup:
	@.ci/setup "$(PYTHON)" "$(VENV)" "$(PROTOC_TOOLS)"

demo: setup
	@$(BIN)/python examples/demo.py

test: setup
	@$(BIN)/pytest
	@cd clients/java && SCOREBRIDGE_PYTHON="$(abspath $(BIN)/python)" mvn -q -B verify

soak: setup
	@PYTHONPATH=tests:examples $(BIN)/python benchmarks/soak.py

# Each peer has its own environment in .bench; the machine should have nothing else to do.
bench: setup
	@benchmarks/setup "$(PYTHON)" .bench
	@PYTHONPATH=examples $(BIN)/python benchmarks/bench.py .bench benchmarks/results

bench-quick: setup
	@benchmarks/setup "$(PYTHON)" .bench
	@PYTHONPATH=examples $(BIN)/python benchmarks/bench.py .bench .bench/results --quick

lint: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: setup
	@$(BIN)/mypy

fmt: setup
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

protos: setup
	@$(PROTOC) --python_out=$(GENERATED) --pyi_out=$(GENERATED) protos/scorebridge/v1/scoring.proto protos/scorebridge/v1/prediction_log.proto
	@# protoc leaves the type arguments of Mapping out, which strict mypy takes for an error.
	@sed -i 's/_Mapping\]/_Mapping[str, object]]/g' $(GENERATED)/scorebridge/v1/*_pb2.pyi

clean:
	@rm -rf $(VENV) .bench clients/java/target build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
