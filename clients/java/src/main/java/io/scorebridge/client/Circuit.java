package io.scorebridge.client;

import java.util.concurrent.TimeUnit;
import java.util.function.LongSupplier;

/**
 * Refuses calls while no gateway answers, so that callers don't wait in vain. May be shared by threads.
 *
 * <p>The circuit opens after a number of failed connections or unanswered calls in a row, if no gateway answered
 * anything for 100 ms. It then lets a single call through from time to time as a trial, and one when a connection is
 * ready. Any answer of a gateway, an error too, closes it.
 *
 * <p>Calls with short timeouts don't shut out calls with long ones. The circuit remembers the longest wait that brought
 * no answer in this row of failures, and lets calls through that are willing to wait longer. So a gateway that answers
 * within 10 ms is not taken for silent because other callers gave it only 1 ms. While the trial of a call with a short
 * timeout runs, a call with a longer timeout may try too.
 */
final class Circuit {
  /**
   * The wait, nanoseconds, of a call without a timeout, and of one whose connection failed: no wait would have helped.
   */
  static final long FOREVER = Long.MAX_VALUE;

  /** How long no gateway must have answered: calls with tiny deadlines may fail in a row while others are answered. */
  private static final long LEAST_SILENCE_NANOS = TimeUnit.MILLISECONDS.toNanos(100);

  private final int failures;
  private final long openNanos;
  private final LongSupplier clock; // nanoseconds
  private int inARow;
  private boolean open;
  private long triedNanos; // the longest wait that brought no answer, in this row of failures
  private long trialNanos; // the longest wait of the calls that were let through as a trial
  private long nextTrial;
  private long lastAnswer;

  /**
   * Makes a closed circuit.
   *
   * @param failures the number of failures in a row that open the circuit; 0 never opens it.
   * @param openNanos the time until the open circuit lets a single call through, nanoseconds.
   * @param clock a clock of nanoseconds, such as System::nanoTime.
   */
  Circuit(int failures, long openNanos, LongSupplier clock) {
    this.failures = failures;
    this.openNanos = openNanos;
    this.clock = clock;
    this.lastAnswer = clock.getAsLong() - LEAST_SILENCE_NANOS;
  }

  /** Whether a call may be made now that is willing to wait {@code timeoutNanos}. */
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

  /** Closes the circuit, because a gateway answered, be it with an error. */
  synchronized void answered() {
    inARow = 0;
    triedNanos = 0;
    open = false;
    lastAnswer = clock.getAsLong();
  }

  /** Lets the next call through as a trial, whatever its timeout, because a connection is ready. */
  synchronized void ready() {
    if (open) {
      nextTrial = clock.getAsLong();
    }
  }

  /** Counts a call that got no answer within {@code timeoutNanos}; {@link #FOREVER} stands for a failed connection. */
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
