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
 * A client's connection to its gateways: the channel, the circuit that refuses calls while no gateway answers, and the
 * {@link Reconnects} that find gateways again. Both learn of each answer and failure before the caller does. May be
 * shared by threads; nothing but {@link #close} waits.
 */
final class Connection implements AutoCloseable {
  private static final long CLOSING_SECONDS = 5;

  private final ManagedChannel owned; // null if the channel is the caller's
  private final Channel channel;
  private final Circuit circuit;
  private final Reconnects reconnects; // null if the channel is the caller's

  /** Uses the builder's channel, or makes one to its target; the connection is made with the first call. */
  Connection(ScoringClientBuilder builder) {
    owned = builder.channel == null ? builder.open() : null;
    Channel plain = owned == null ? builder.channel : owned;
    channel = builder.token == null ? plain : ClientInterceptors.intercept(plain, Channels.bearer(builder.token));
    circuit = new Circuit(builder.circuitFailures, builder.circuitOpen.toNanos(), System::nanoTime);
    reconnects = owned == null ? null : new Reconnects(owned, circuit::ready, System::nanoTime);
  }

  /** Whether the circuit lets a call with this patience through. */
  boolean admits(Patience patience) {
    boolean admitted = circuit.allows(patience.nanos());
    if (!admitted) {
      called(); // the client goes on looking for gateways although this call is not sent
    }
    return admitted;
  }

  /**
   * Makes a call without asking the circuit.
   *
   * @return a future that ends on a thread of gRPC, with the answer or a StatusRuntimeException. Cancelling the future
   *     cancels the call.
   */
  <ReqT, RespT> CompletableFuture<RespT> ask(
      MethodDescriptor<ReqT, RespT> method, ReqT request, Patience patience) {
    return ask(method, request, patience, CallOptions.DEFAULT.withDeadline(patience.deadline()));
  }

  /**
   * Makes a call with options of gRPC's own, such as to wait until a gateway is there, without asking the circuit.
   *
   * @param patience how long the caller is willing to wait, for the circuit.
   * @param options gRPC's options, which hold the deadline.
   * @return a future that ends on a thread of gRPC, with the answer or a StatusRuntimeException. Cancelling the future
   *     cancels the call.
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

  /** Closes the client's own channel, cancels its calls, and waits up to 5 s. The caller's channel stays open. */
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
