package io.scorebridge.client;

import java.util.concurrent.atomic.AtomicLong;

/** Lets something be done at once the first time, and then at most once in a pause. May be shared by threads. */
final class Pace {
  private static final long NEVER = Long.MIN_VALUE;

  private final long pauseNanos;
  private final AtomicLong last = new AtomicLong(NEVER);

  /** With a pause of so many nanoseconds. */
  Pace(long pauseNanos) {
    this.pauseNanos = pauseNanos;
  }

  /**
   * Whether the pause is over now, nanoseconds of the caller's clock; then the next one begins, for one of many
   * threads.
   */
  boolean isDue(long now) {
    long before = last.get();
    return (before == NEVER || now - before >= pauseNanos) && last.compareAndSet(before, now);
  }
}
