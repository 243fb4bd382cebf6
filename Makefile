# What a fresh machine needs: `make demo` and `make test`. Each target installs what it lacks through `setup`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# The oldest protoc whose Python code we support, so that callers need not have the newest protobuf.
PROTOC_TOOLS := grpcio-tools==1.62.3
PROTOC := PYTHONPATH=$(VENV)/protoc $(BIN)/python -W ignore -m grpc_tools.protoc -I protos -I $(VENV)/protoc/grpc_tools/_proto
GENERATED ?= clients/python
# Of a protocol that only the gateway speaks: callers bring their own client of it.
GENERATED_FOR_GATEWAY ?= bridge/codecs
# The ends of what pyproject.toml allows (xgboost-cpu starts with 2.1.1); .venv has the newest that its Python may have.
XGBOOST_OLDEST := 2.1.1
XGBOOST_NEWEST := 3.4.1
EXACTNESS := tests/exactness tests/unit/test_xgboost.py tests/unit/test_xgboost_objectives.py

.PHONY: setup demo test test-java test-xgboost soak attack bench bench-quick lint types fmt protos clean

setup:
	@.ci/setup "$(PYTHON)" "$(VENV)" "$(PROTOC_TOOLS)" "$(XGBOOST_OLDEST)" "$(XGBOOST_NEWEST)"

demo: setup
	@$(BIN)/python examples/demo.py

# A third of a test is waiting, so three processes take the files in turns on two cores. Faults look at deadlines, and
# wait for most of their time: two processes. Attacks have the machine to themselves: they take all of it, and look at
# what a gateway's memory and event loop go through.
test: setup
	@$(BIN)/pytest -n 3 --dist loadfile --ignore tests/faults --ignore tests/attacks
	@$(BIN)/pytest -n 2 --dist loadfile tests/faults
	@$(BIN)/pytest tests/attacks
	@$(MAKE) --no-print-directory -j2 --output-sync=target test-java test-xgboost-oldest test-xgboost-newest

test-java: setup
	@cd clients/java && SCOREBRIDGE_PYTHON="$(abspath $(BIN)/python)" mvn -q -B verify

# What is exact with the xgboost in .venv is exact with the oldest and the newest; both side by side, they share nothing.
test-xgboost: setup
	@$(MAKE) --no-print-directory -j2 --output-sync=target test-xgboost-oldest test-xgboost-newest

test-xgboost-%:
	@SCOREBRIDGE_TEST_XGBOOST=$(XGBOOST_$(shell echo $* | tr a-z A-Z)) PYTHONPATH="$(abspath .xgboost/$*)" \
		$(BIN)/pytest -p no:cacheprovider $(EXACTNESS)

soak: setup
	@PYTHONPATH=tests:examples $(BIN)/python benchmarks/soak.py

# ATTACK="--way grpc --seconds 2 --root OTHER_CHECKOUT": see tests/attacks/run.py.
attack: setup
	@PYTHONPATH=tests:examples:clients/python:. $(BIN)/python -m attacks.run $(ATTACK)

# Each peer has its own environment in .bench; the machine should have nothing else to do.
bench: setup
	@benchmarks/setup "$(PYTHON)" .bench
	@PYTHONPATH=tests:examples $(BIN)/python benchmarks/bench.py .bench benchmarks/results

bench-quick: setup
	@benchmarks/setup "$(PYTHON)" .bench
	@PYTHONPATH=tests:examples $(BIN)/python benchmarks/bench.py .bench .bench/results --quick

lint: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .

types: setup
	@$(BIN)/mypy

fmt: setup
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

protos: setup
	@mkdir -p $(GENERATED) $(GENERATED_FOR_GATEWAY)
	@$(PROTOC) --python_out=$(GENERATED) --pyi_out=$(GENERATED) protos/scorebridge/v1/scoring.proto protos/scorebridge/v1/prediction_log.proto
	@$(PROTOC) --python_out=$(GENERATED_FOR_GATEWAY) --pyi_out=$(GENERATED_FOR_GATEWAY) protos/open_inference/inference.proto
	@# protoc leaves the type arguments of Mapping out, which strict mypy takes for an error.
	@sed -i 's/_Mapping\]/_Mapping[str, object]]/g' $(GENERATED)/scorebridge/v1/*_pb2.pyi $(GENERATED_FOR_GATEWAY)/open_inference/*_pb2.pyi

clean:
	@rm -rf $(VENV) .bench .xgboost .pyrserve .triton .schemathesis .spark .ends .openblas .opensearch clients/java/target build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
