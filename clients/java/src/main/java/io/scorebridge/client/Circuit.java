package io.scorebridge.client;

/**
 * Spares callers the wait for gateways that don't answer: opens after so many failed connections or unanswered calls in
 * a row, and then lets a single call through now and then. Whatever a gateway answers, an error too, closes it.
 */
final class Circuit {
  /** Calls with tiny deadlines fail in a row although the gateway answers others; then it is not silent for long. */
  private static final long LEAST_SILENCE_NANOS = 100_000_000;

  private final int failures;
  private final long openNanos;
  private int inARow;
  private boolean open;
  private long nextTrial;
  private long lastAnswer;

  Circuit(int failures, long openNanos, long now) {
    this.failures = failures;
    this.openNanos = openNanos;
    this.lastAnswer = now - LEAST_SILENCE_NANOS;
  }

  /** Whether a call may be made at this instant, nanoseconds. */
  synchronized boolean allows(long now) {
    if (!open) {
      return true;
    }
    if (now - nextTrial < 0) {
      return false;
    }
    nextTrial = now + openNanos;
    return true;
  }

  synchronized void answered(long now) {
    inARow = 0;
    open = false;
    lastAnswer = now;
  }

  synchronized void failed(long now) {
    inARow++;
    if (!open && failures > 0 && inARow >= failures && now - lastAnswer >= LEAST_SILENCE_NANOS) {
      open = true;
      nextTrial = now + openNanos;
    }
  }
}
