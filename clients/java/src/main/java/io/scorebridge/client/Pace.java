package io.scorebridge.client;

import java.util.concurrent.atomic.AtomicLong;

/** Limits how often something is done: at once the first time, then at most once in each pause. Thread-safe. */
final class Pace {
  private static final long NEVER = Long.MIN_VALUE;

  private final long pauseNanos;
  private final AtomicLong last = new AtomicLong(NEVER);

  /** Takes the length of the pause, nanoseconds. */
  Pace(long pauseNanos) {
    this.pauseNanos = pauseNanos;
  }

  /**
   * Whether the pause is over. If it is, the next pause begins; of several threads that ask at once, one gets true.
   *
   * @param now the time by the caller's clock, nanoseconds.
   */
  boolean isDue(long now) {
    long before = last.get();
    return (before == NEVER || now - before >= pauseNanos) && last.compareAndSet(before, now);
  }
}
