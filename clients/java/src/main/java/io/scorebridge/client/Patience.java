package io.scorebridge.client;

import io.grpc.Deadline;
import java.time.Duration;
import java.util.concurrent.TimeUnit;

/**
 * How long a call is willing to wait. Immutable; may be shared by threads.
 *
 * @param nanos the timeout that the caller gave, or {@link Circuit#FOREVER} without one.
 * @param deadline the deadline that gRPC is told, 5 ms or 10 % of the timeout before its end: gRPC's timer is some
 *     milliseconds late, and the default must come within the timeout. Null without a timeout.
 */
record Patience(long nanos, Deadline deadline) {
  private static final long RESERVE_NANOS = TimeUnit.MILLISECONDS.toNanos(5);

  /** The patience of a call that begins now; the timeout is null for none. */
  static Patience of(Duration timeout) {
    if (timeout == null) {
      return new Patience(Circuit.FOREVER, null);
    }
    long nanos = timeout.toNanos();
    return new Patience(nanos, Deadline.after(nanos - Math.min(RESERVE_NANOS, nanos / 10), TimeUnit.NANOSECONDS));
  }

  /** The patience that is left for a further call under this deadline, such as that of a chunk. */
  Patience rest() {
    return deadline == null ? this : new Patience(deadline.timeRemaining(TimeUnit.NANOSECONDS), deadline);
  }
}
