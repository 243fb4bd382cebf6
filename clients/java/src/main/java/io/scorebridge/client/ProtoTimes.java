package io.scorebridge.client;

import com.google.protobuf.Timestamp;
import java.time.Duration;
import java.time.Instant;

/**
 * Reads times that gateways send; throws a StatusRuntimeException for a time that protobuf does not allow. May be used
 * by any thread.
 */
final class ProtoTimes {
  private static final long YEAR_1_SECONDS = -62_135_596_800L; // seconds since 1970, as a Timestamp has them
  private static final long YEAR_10000_SECONDS = 253_402_300_800L;
  private static final long MOST_SECONDS = 315_576_000_000L; // 10,000 years of 365.25 days, the longest Duration
  private static final int SECOND_NANOS = 1_000_000_000;

  private ProtoTimes() {}

  /** Returns an instant, which must be of the years 1 to 9999. */
  static Instant instant(Timestamp time) {
    long seconds = time.getSeconds();
    boolean whole = 0 <= time.getNanos() && time.getNanos() < SECOND_NANOS;
    if (seconds < YEAR_1_SECONDS || seconds >= YEAR_10000_SECONDS || !whole) {
      throw ScoreAnswer.senseless("it has a time that is not of the years 1 to 9999");
    }
    return Instant.ofEpochSecond(seconds, time.getNanos());
  }

  /** Returns a length of time, which must be at most 10,000 years. */
  static Duration duration(com.google.protobuf.Duration time) {
    if (Math.abs(time.getSeconds()) > MOST_SECONDS || time.getSeconds() == Long.MIN_VALUE) {
      throw ScoreAnswer.senseless("it has a duration of over 10,000 years");
    }
    return Duration.ofSeconds(time.getSeconds(), time.getNanos());
  }
}
