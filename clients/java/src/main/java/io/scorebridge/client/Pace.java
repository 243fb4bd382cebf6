package io.scorebridge.client;

import java.util.concurrent.atomic.AtomicLong;

/** Lets something be done once in a while, and at once the first time. May be shared by threads. */
final class Pace {
  private static final long NEVER = Long.MIN_VALUE;

  private final long pauseNanos;
  private final AtomicLong last = new AtomicLong(NEVER);

  Pace(long pauseNanos) {
    this.pauseNanos = pauseNanos;
  }

  /** Whether the pause is over at this instant, nanoseconds; then the next one begins. True for one of many threads. */
  boolean isDue(long now) {
    long before = last.get();
    return (before == NEVER || now - before >= pauseNanos) && last.compareAndSet(before, now);
  }
}
