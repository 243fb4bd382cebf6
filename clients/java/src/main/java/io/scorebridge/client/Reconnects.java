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
 * Finds gateways again that were away, moved, or behind a path that went silent, while calls are made. gRPC alone waits
 * up to two minutes to connect again, looks names up when a connection ends, and takes an open socket for a living
 * peer. May be shared by threads; nothing here waits.
 *
 * <ul>
 *   <li>While connections fail, all are tried again and names looked up, twice a second; else every 5 s, for a gateway
 *       that is away while others answer.
 *   <li>If a call ends with its deadline, and nothing was answered for 250 ms, a health check asks whether there is
 *       anybody, once a second. Any answer says so: deadlines that no gateway could meet replace nothing. Without an
 *       answer within 500 ms all connections are made anew, and every 1.75 s again for as long as those are silent too:
 *       a connection needs six trips, with TLS and health check. Calls under way end on the old ones.
 *   <li>A connection that is ready lets a call through the circuit at once.
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
  private long nextCheck; // not before connections had the time to be made

  /**
   * Watches a channel for as long as it lives.
   *
   * @param channel the client's own.
   * @param onReady is told of each connection that is ready, on a thread of gRPC; must not block.
   * @param clock nanoseconds, such as System::nanoTime.
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

  /** Takes note that a call is made, or would be if the circuit let it through. */
  void called() {
    long now = clock.getAsLong();
    boolean due;
    synchronized (this) {
      lastCall = now;
      due = failing && retries.isDue(now);
    }
    if (refreshes.isDue(now) || due) {
      channel.resetConnectBackoff(); // looks names up too
    }
  }

  /** Takes note that a gateway answered something, be it an error. */
  synchronized void answered() {
    failing = false;
    lastAnswer = clock.getAsLong();
  }

  /** Takes note that a connection failed: all are tried again, at most twice a second. */
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

  /** Takes note that a call ended with its deadline: after a while of silence, a health check asks for gateways. */
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

  /** Passes bytes on as they are: whether a health check was answered counts, not what the answer says. */
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
