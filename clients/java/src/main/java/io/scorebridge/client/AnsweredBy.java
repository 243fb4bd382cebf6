package io.scorebridge.client;

import java.time.Duration;

/**
 * Which version answered a call, and how long that took. Immutable.
 *
 * @param model the name that was asked for.
 * @param version where the client gave its default, the one that was asked for, 0 if none was.
 * @param digest of the version's bundle; empty where the client gave its default.
 * @param attempts how many times a worker was asked.
 * @param queueTime how long the call waited for a worker.
 * @param backendTime how long the model took.
 */
record AnsweredBy(
    String model, int version, String digest, int attempts, Duration queueTime, Duration backendTime) {
  /** Of a call that no gateway answered; of a version that was asked for, or 0. */
  static AnsweredBy nobody(String model, int version) {
    return new AnsweredBy(model, version, "", 0, Duration.ZERO, Duration.ZERO);
  }
}
