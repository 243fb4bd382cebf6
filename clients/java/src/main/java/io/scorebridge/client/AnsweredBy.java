package io.scorebridge.client;

import java.time.Duration;
import java.util.List;

/**
 * Which version answered a call, how long that took, and what was looked up for it. Immutable.
 *
 * @param model the name of the model that was asked.
 * @param version the version that answered; for a client default, the version that the caller named, or 0.
 * @param digest the digest of the version's bundle; empty for a client default.
 * @param attempts how many times the gateway asked a worker; 0 for a client default.
 * @param queueTime how long the call waited for a worker; zero for a client default.
 * @param backendTime how long the model took; zero for a client default.
 * @param lookups where looked-up features came from; empty for a client default.
 */
record AnsweredBy(
    String model,
    int version,
    String digest,
    int attempts,
    Duration queueTime,
    Duration backendTime,
    List<Lookup> lookups) {
  /** Returns the values for a call that no gateway answered; version is the one that the caller named, or 0. */
  static AnsweredBy nobody(String model, int version) {
    return new AnsweredBy(model, version, "", 0, Duration.ZERO, Duration.ZERO, List.of());
  }
}
