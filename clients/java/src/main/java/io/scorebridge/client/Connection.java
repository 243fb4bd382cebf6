package io.scorebridge.client;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientInterceptors;
import io.grpc.ManagedChannel;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/**
 * A client's way to its gateways: the channel, the circuit that spares calls a wait in vain, and what finds gateways
 * again that were away. Each answer and each failure is told to circuit and reconnects before the caller hears of it.
 * May be shared by threads; nothing but {@link #close} waits.
 */
final class Connection implements AutoCloseable {
  private static final long CLOSING_SECONDS = 5;

  private final ManagedChannel owned; // null if the channel is the caller's
  private final Channel channel;
  private final Circuit circuit;
  private final Reconnects reconnects; // null if the channel is the caller's

  /** Uses the builder's channel, or opens one to its target; connects with the first call. */
  Connection(ScoringClientBuilder builder) {
    owned = builder.channel == null ? builder.open() : null;
    Channel plain = owned == null ? builder.channel : owned;
    channel = builder.token == null ? plain : ClientInterceptors.intercept(plain, Channels.bearer(builder.token));
    circuit = new Circuit(builder.circuitFailures, builder.circuitOpen.toNanos(), System::nanoTime);
    reconnects = owned == null ? null : new Reconnects(owned, circuit::ready, System::nanoTime);
  }

  /** Whether the circuit lets a call through that is willing to wait so long. */
  boolean admits(Patience patience) {
    boolean admitted = circuit.allows(patience.nanos());
    if (!admitted) {
      called(); // gateways are looked for although this call does not reach them
    }
    return admitted;
  }

  /**
   * Makes a call that the circuit has let through, or need not be asked for.
   *
   * @return the answer, or a StatusRuntimeException, on a thread of gRPC. Cancelling it cancels the call.
   */
  <ReqT, RespT> CompletableFuture<RespT> ask(
      MethodDescriptor<ReqT, RespT> method, ReqT request, Patience patience) {
    return ask(method, request, patience, CallOptions.DEFAULT.withDeadline(patience.deadline()));
  }

  /**
   * Makes a call with options of gRPC's own, such as to wait until a gateway is there. The options hold the deadline;
   * the patience tells the circuit how long the caller was willing to wait.
   *
   * @return the answer, or a StatusRuntimeException, on a thread of gRPC. Cancelling it cancels the call.
   */
  <ReqT, RespT> CompletableFuture<RespT> ask(
      MethodDescriptor<ReqT, RespT> method, ReqT request, Patience patience, CallOptions options) {
    called();
    CompletableFuture<RespT> answer = Calls.ask(channel, method, request, options);
    CompletableFuture<RespT> noted =
        answer.whenComplete(
            (response, error) -> {
              if (error == null) {
                answered();
              } else if (!answer.isCancelled()) {
                failed(FailedCall.of(error), patience);
              }
            });
    Calls.cancelWith(noted, answer);
    return noted;
  }

  /** Closes a channel of the client's own, within 5 s; calls under way are cancelled. The caller's stays open. */
  @Override
  public void close() {
    if (owned == null) {
      return;
    }
    owned.shutdownNow();
    try {
      owned.awaitTermination(CLOSING_SECONDS, TimeUnit.SECONDS);
    } catch (InterruptedException interrupted) {
      Thread.currentThread().interrupt();
    }
  }

  private void called() {
    if (reconnects != null) {
      reconnects.called();
    }
  }

  private void answered() {
    circuit.answered();
    if (reconnects != null) {
      reconnects.answered();
    }
  }

  private void failed(FailedCall failure, Patience patience) {
    if (!failure.ofConnection()) {
      answered();
    } else if (failure.status() == Status.Code.UNAVAILABLE) {
      circuit.failed(Circuit.FOREVER);
      if (reconnects != null) {
        reconnects.broke();
      }
    } else {
      circuit.failed(patience.nanos());
      if (reconnects != null) {
        reconnects.expired();
      }
    }
  }
}
