package io.scorebridge.client;

import io.grpc.Deadline;
import java.time.Duration;
import java.util.concurrent.TimeUnit;

/**
 * How long a caller is willing to wait for a call. Immutable; may be shared by threads.
 *
 * @param nanos the caller's timeout, nanoseconds; {@link Circuit#FOREVER} without one.
 * @param deadline the deadline for gRPC, before the end of the timeout by 5 ms or by 10 % of it, whichever is less:
 *     gRPC's timer is some milliseconds late, and the default score must come within the timeout. Null without one.
 */
record Patience(long nanos, Deadline deadline) {
  private static final long RESERVE_NANOS = TimeUnit.MILLISECONDS.toNanos(5);

  /** Returns the patience of a call that begins now; a timeout of null means no limit. */
  static Patience of(Duration timeout) {
    if (timeout == null) {
      return new Patience(Circuit.FOREVER, null);
    }
    long nanos = timeout.toNanos();
    return new Patience(nanos, Deadline.after(nanos - Math.min(RESERVE_NANOS, nanos / 10), TimeUnit.NANOSECONDS));
  }

  /** Returns the patience that is left now for another call under the same deadline, such as a chunk's. */
  Patience rest() {
    return deadline == null ? this : new Patience(deadline.timeRemaining(TimeUnit.NANOSECONDS), deadline);
  }
}
