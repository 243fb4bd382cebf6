package io.scorebridge.client;

import io.grpc.Deadline;
import java.time.Duration;
import java.util.concurrent.TimeUnit;

/**
 * How long a call is willing to wait.
 *
 * @param nanos as its caller said, or {@link Circuit#FOREVER}.
 * @param deadline what gRPC is told: its timer is some milliseconds late, and the default must come within the timeout;
 *     null for none.
 */
record Patience(long nanos, Deadline deadline) {
  private static final long RESERVE_NANOS = TimeUnit.MILLISECONDS.toNanos(5);

  /** From now on; null is no timeout. */
  static Patience of(Duration timeout) {
    if (timeout == null) {
      return new Patience(Circuit.FOREVER, null);
    }
    long nanos = timeout.toNanos();
    return new Patience(nanos, Deadline.after(nanos - Math.min(RESERVE_NANOS, nanos / 10), TimeUnit.NANOSECONDS));
  }

  /** What is left of it, for a call that is made later under the same deadline. */
  Patience rest() {
    return deadline == null ? this : new Patience(deadline.timeRemaining(TimeUnit.NANOSECONDS), deadline);
  }
}
