package io.scorebridge.client;

import io.grpc.CallOptions;
import io.grpc.ClientCall;
import io.grpc.ConnectivityState;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;

/**
 * Finds gateways again that were away, have moved, or are behind a path that went silent, while calls are made. gRPC
 * alone waits up to two minutes before it connects again, looks names up only when a connection ends, and takes an open
 * socket for a living peer. May be shared by threads; nothing here waits.
 *
 * <ul>
 *   <li>While connections fail, all of them are tried again and names are looked up, twice a second. Otherwise this
 *       happens every 5 s, for a gateway that is away while others answer.
 *   <li>If a call reaches its deadline, and no gateway answered anything for 250 ms, a health check asks whether a
 *       gateway is there, at most once a second. After any answer the connections stay: the deadlines were too short.
 *       Without an answer within 500 ms, all connections are replaced, and again every 1.75 s for as long as the new
 *       ones are silent too (a connection needs six trips, with TLS and health check). Calls under way stay on the old
 *       connections.
 *   <li>When a connection is ready, the circuit lets a call through at once.
 * </ul>
 */
final class Reconnects {
  static final long SILENCE_NANOS = TimeUnit.MILLISECONDS.toNanos(250);
  static final long BETWEEN_CHECKS_NANOS = TimeUnit.SECONDS.toNanos(1);
  static final long PROBE_NANOS = TimeUnit.MILLISECONDS.toNanos(500);
  static final long CONNECT_NANOS = TimeUnit.MILLISECONDS.toNanos(1750);
  static final long RETRY_NANOS = TimeUnit.MILLISECONDS.toNanos(500);
  static final long REFRESH_NANOS = TimeUnit.SECONDS.toNanos(5);
  private static final long IN_USE_NANOS = TimeUnit.SECONDS.toNanos(5);

  private static final MethodDescriptor<byte[], byte[]> CHECK =
      MethodDescriptor.<byte[], byte[]>newBuilder()
          .setType(MethodDescriptor.MethodType.UNARY)
          .setFullMethodName("grpc.health.v1.Health/Check")
          .setRequestMarshaller(new Unread())
          .setResponseMarshaller(new Unread())
          .build();

  private final ManagedChannel channel;
  private final Runnable onReady;
  private final LongSupplier clock; // nanoseconds
  private final Pace retries = new Pace(RETRY_NANOS);
  private final Pace refreshes = new Pace(REFRESH_NANOS);
  private boolean failing;
  private boolean probing;
  private long lastCall;
  private long lastAnswer;
  private long nextCheck; // the first one only after connections had time to be made

  /**
   * Watches a channel for as long as it lives.
   *
   * @param channel the client's own channel.
   * @param onReady is run, on a thread of gRPC, when a connection is ready; must not block.
   * @param clock a clock of nanoseconds, such as System::nanoTime.
   */
  Reconnects(ManagedChannel channel, Runnable onReady, LongSupplier clock) {
    this.channel = channel;
    this.onReady = onReady;
    this.clock = clock;
    this.lastAnswer = clock.getAsLong();
    this.nextCheck = lastAnswer + BETWEEN_CHECKS_NANOS;
    refreshes.isDue(lastAnswer);
    watch(ConnectivityState.IDLE);
  }

  /** Records that a call is made or was refused by the circuit, and tries connections again if that is due. */
  void called() {
    long now = clock.getAsLong();
    boolean due;
    synchronized (this) {
      lastCall = now;
      due = failing && retries.isDue(now);
    }
    if (refreshes.isDue(now) || due) {
      channel.resetConnectBackoff(); // which also looks names up
    }
  }

  /** Records that a gateway answered, be it with an error. */
  synchronized void answered() {
    failing = false;
    lastAnswer = clock.getAsLong();
  }

  /** Records that a connection failed, and tries all connections again, at most twice a second. */
  void broke() {
    boolean due;
    synchronized (this) {
      failing = true;
      due = retries.isDue(clock.getAsLong());
    }
    if (due) {
      channel.resetConnectBackoff();
    }
  }

  /** Handles a call that reached its deadline: after 250 ms without any answer, it starts a health check. */
  void expired() {
    synchronized (this) {
      long now = clock.getAsLong();
      if (probing || now - lastAnswer < SILENCE_NANOS || now - nextCheck < 0) {
        return;
      }
      probing = true;
    }
    probe(PROBE_NANOS);
  }

  private void probe(long timeoutNanos) {
    CallOptions options = CallOptions.DEFAULT.withDeadlineAfter(timeoutNanos, TimeUnit.NANOSECONDS);
    ClientCall<byte[], byte[]> call = channel.newCall(CHECK, options);
    call.start(
        new ClientCall.Listener<byte[]>() {
          @Override
          public void onClose(Status status, Metadata trailers) {
            probed(status);
          }
        },
        new Metadata());
    call.request(2);
    call.sendMessage(new byte[0]);
    call.halfClose();
  }

  private void probed(Status status) {
    boolean silent = status.getCode() == Status.Code.DEADLINE_EXCEEDED;
    boolean again;
    synchronized (this) {
      long now = clock.getAsLong();
      again = silent && now - lastCall < IN_USE_NANOS;
      probing = again;
      nextCheck = now + BETWEEN_CHECKS_NANOS;
    }
    if (silent) {
      channel.enterIdle(); // the next call opens all connections anew
    } else if (status.getCode() == Status.Code.UNAVAILABLE) {
      broke();
    }
    if (again) {
      probe(CONNECT_NANOS);
    }
  }

  private void watch(ConnectivityState from) {
    channel.notifyWhenStateChanged(
        from,
        () -> {
          ConnectivityState state = channel.getState(false);
          if (state == ConnectivityState.READY) {
            onReady.run();
          }
          if (state != ConnectivityState.SHUTDOWN) {
            watch(state);
          }
        });
  }

  /** Passes bytes on as they are: it counts whether a health check was answered, not what the answer says. */
  private static final class Unread implements MethodDescriptor.Marshaller<byte[]> {
    @Override
    public InputStream stream(byte[] value) {
      return new ByteArrayInputStream(value);
    }

    @Override
    public byte[] parse(InputStream stream) {
      try {
        return stream.readAllBytes();
      } catch (IOException error) {
        throw new UncheckedIOException(error);
      }
    }
  }
}
