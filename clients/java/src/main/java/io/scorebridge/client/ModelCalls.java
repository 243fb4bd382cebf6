package io.scorebridge.client;

import io.grpc.MethodDescriptor;
import io.scorebridge.v1.GetModelRequest;
import io.scorebridge.v1.GetModelResponse;
import io.scorebridge.v1.ListModelsRequest;
import io.scorebridge.v1.ListModelsResponse;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.function.Function;

/**
 * Calls that ask about models. Each future ends on a thread of gRPC, with values or a StatusRuntimeException;
 * cancelling the future cancels the call. May be shared by threads; nothing here waits.
 */
final class ModelCalls {
  private final Connection connection;
  private final Outputs outputs;

  /** Takes the connection for the calls, and the outputs that remember every model that a gateway describes. */
  ModelCalls(Connection connection, Outputs outputs) {
    this.connection = connection;
    this.outputs = outputs;
  }

  /** Asks for every version of every model. */
  CompletableFuture<List<ModelVersion>> models(Patience patience) {
    Function<ListModelsResponse, List<ModelVersion>> read =
        response -> response.getVersionsList().stream().map(ModelVersion::read).toList();
    return ask(Calls.LIST_MODELS, ListModelsRequest.getDefaultInstance(), patience, read);
  }

  /** Asks for the details of one version of a model, or of all its versions if {@code version} is 0. */
  CompletableFuture<List<ModelDetail>> details(String model, int version, Patience patience) {
    Function<GetModelResponse, List<ModelDetail>> read =
        response -> {
          List<ModelDetail> details = response.getVersionsList().stream().map(ModelDetail::read).toList();
          outputs.described(details);
          return details;
        };
    GetModelRequest request = GetModelRequest.newBuilder().setModel(model).setVersion(version).build();
    return ask(Calls.GET_MODEL, request, patience, read);
  }

  private <ReqT, RespT, T> CompletableFuture<T> ask(
      MethodDescriptor<ReqT, RespT> method, ReqT request, Patience patience, Function<RespT, T> read) {
    CompletableFuture<RespT> answer = connection.ask(method, request, patience);
    CompletableFuture<T> values = answer.thenApply(read);
    Calls.cancelWith(values, answer);
    return values;
  }
}
