package io.scorebridge.client;

import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;

/**
 * Spares callers the wait for gateways that don't answer. May be shared by threads.
 *
 * <p>It opens after so many failed connections or unanswered calls in a row, if no gateway answered anything for 100
 * ms. Then one call is let through now and then, to see, and one when a connection is ready. Any answer of a gateway
 * closes it, an error too.
 *
 * <p>Callers with short timeouts don't shut out those with long ones. The circuit keeps the longest wait that was in
 * vain in this row: calls that are willing to wait longer are let through, as their patience has not been tried. So a
 * gateway that answers within 10 ms is not taken for silent because others gave it 1 ms. Nor does a short call take the
 * trial away from a longer one: that is let through beside it.
 */
final class Circuit {
  /** The wait, nanoseconds, of a call without a timeout, and of one whose connection failed: none would have helped. */
  static final long FOREVER = Long.MAX_VALUE;

  /** Calls with tiny deadlines fail in a row although the gateway answers others; then it is not silent for long. */
  private static final long LEAST_SILENCE_NANOS = TimeUnit.MILLISECONDS.toNanos(100);

  private final int failures;
  private final long openNanos;
  private final LongSupplier clock; // nanoseconds
  private int inARow;
  private boolean open;
  private long triedNanos; // in vain
  private long trialNanos; // the longest wait of those that are let through to see
  private long nextTrial;
  private long lastAnswer;

  /**
   * A circuit that is closed.
   *
   * @param failures how many in a row open the circuit; 0 for never.
   * @param openNanos how long it is open until a single call is let through, nanoseconds.
   * @param clock nanoseconds, such as System::nanoTime.
   */
  Circuit(int failures, long openNanos, LongSupplier clock) {
    this.failures = failures;
    this.openNanos = openNanos;
    this.clock = clock;
    this.lastAnswer = clock.getAsLong() - LEAST_SILENCE_NANOS;
  }

  /** Whether a call may be made now that is willing to wait so long, nanoseconds. */
  synchronized boolean allows(long timeoutNanos) {
    if (!open) {
      return true;
    }
    long now = clock.getAsLong();
    if (now - nextTrial >= 0) {
      nextTrial = now + openNanos;
    } else if (timeoutNanos > triedNanos) {
      return true;
    } else if (timeoutNanos <= trialNanos) {
      return false;
    }
    trialNanos = timeoutNanos;
    return true;
  }

  /** Takes note that a gateway answered something, be it an error: the circuit is closed. */
  synchronized void answered() {
    inARow = 0;
    triedNanos = 0;
    open = false;
    lastAnswer = clock.getAsLong();
  }

  /** Takes note that a connection is ready: the next call is let through to see, whatever its timeout. */
  synchronized void ready() {
    if (open) {
      nextTrial = clock.getAsLong();
    }
  }

  /**
   * Takes note of a call that no gateway answered within so many nanoseconds; of a failed connection, {@link #FOREVER}.
   */
  synchronized void failed(long timeoutNanos) {
    long now = clock.getAsLong();
    inARow++;
    triedNanos = Math.max(triedNanos, timeoutNanos);
    trialNanos = Math.max(trialNanos, timeoutNanos);
    if (!open && failures > 0 && inARow >= failures && now - lastAnswer >= LEAST_SILENCE_NANOS) {
      open = true;
      nextTrial = now + openNanos;
      trialNanos = FOREVER;
    }
  }
}
