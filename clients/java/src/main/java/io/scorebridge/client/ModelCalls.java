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
 * Questions about models. Each future ends with values, or a StatusRuntimeException, on a thread of gRPC; cancelling it
 * cancels the call. May be shared by threads; nothing here waits.
 */
final class ModelCalls {
  private final Connection connection;
  private final Outputs outputs;

  /** Outputs are told of every model that a gateway describes. */
  ModelCalls(Connection connection, Outputs outputs) {
    this.connection = connection;
    this.outputs = outputs;
  }

  /** Every version of every model. */
  CompletableFuture<List<ModelVersion>> models(Patience patience) {
    Function<ListModelsResponse, List<ModelVersion>> read =
        response -> response.getVersionsList().stream().map(ModelVersion::read).toList();
    return ask(Calls.LIST_MODELS, ListModelsRequest.getDefaultInstance(), patience, read);
  }

  /** All versions of a model, or the one with this number if it is not 0. */
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
